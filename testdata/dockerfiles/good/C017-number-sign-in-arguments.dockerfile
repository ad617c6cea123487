FROM bb
RUN echo "#x" # y

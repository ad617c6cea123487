FROM bb
RUN echo a \
# note
    # indented note
 && echo b

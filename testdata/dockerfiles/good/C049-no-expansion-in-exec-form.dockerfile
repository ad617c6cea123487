FROM scratch
ENV A=x
RUN ["echo", "$A"]
CMD ["echo", "${A}"]

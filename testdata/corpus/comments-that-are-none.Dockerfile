FROM alpine
RUN echo "# quoted" # kept
LABEL a=# b=1#2
CMD x #y

FROM bb

RUN a \
  b
# c

COPY \
   x
USER u

FROM bb
ENV a=1 b
ENV a
LABEL a
LABEL b=1 "c d"

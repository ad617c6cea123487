FROM bb
ENV =x
ARG =x
LABEL =x
ENV a=1 =2

# C061 to C063: the last one wins while the image is built; the image has ENVs only.
FROM bb
ARG V=1
ENV V=2
RUN echo $V
ENV W=2
ARG W=1
RUN echo $W
LABEL v=$V w=$W

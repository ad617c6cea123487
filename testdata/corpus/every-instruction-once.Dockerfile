# syntax=docker/dockerfile:1
ARG BASE=alpine
FROM ${BASE} AS all
MAINTAINER someone
ARG X=1
ENV Y=2
LABEL z=3
SHELL ["/bin/sh", "-c"]
USER root
WORKDIR /w
COPY a b
ADD c d
RUN true
VOLUME /v
EXPOSE 1
STOPSIGNAL SIGTERM
HEALTHCHECK CMD true
ONBUILD RUN true
ENTRYPOINT ["e"]
CMD ["f"]

#: --build-arg HTTP_PROXY=http://p --build-arg no_proxy=local
# C065
FROM bb AS a
RUN env
FROM a
ARG HTTP_PROXY
RUN env

FROM alpine
ARG HTTP_PROXY
ARG https_proxy=http://proxy:3128
RUN env | grep -i _proxy

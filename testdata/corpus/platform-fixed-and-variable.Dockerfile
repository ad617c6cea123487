ARG P=linux/arm64/v8
FROM --platform=linux/amd64 alpine AS a
FROM --platform=$P alpine AS b
FROM --platform=${TARGETPLATFORM} alpine AS c
FROM --platform="linux/s390x" alpine

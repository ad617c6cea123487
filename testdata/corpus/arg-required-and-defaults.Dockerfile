ARG BASE=${REGISTRY:-docker.io}/library/alpine
FROM ${BASE:?needs-a-base}
ARG VERSION=${OTHER:-1.0}
ENV VERSION=${VERSION:?} NAME=${NAME:+x}${NAME-y}

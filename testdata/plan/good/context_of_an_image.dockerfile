#: --build-context docker.io/library/alpine=docker-image://bb --build-context bb:1=docker-image://no-path --build-context none=docker-image://scratch
FROM alpine:latest AS a
FROM bb:1 AS b
FROM none
COPY --from=a /x /x
COPY --from=b /y /y

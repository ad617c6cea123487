ARG P
FROM --platform=linux/arm64 bb AS a
FROM --platform=$P bb AS b
FROM --platform=linux/a/b/c bb AS c
FROM scratch
COPY --from=a / /
COPY --from=b / /
COPY --from=c / /

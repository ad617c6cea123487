#: --platform linux/arm64
FROM bb AS a
FROM scratch
COPY --from=a /x /x
COPY --from=full /x /x

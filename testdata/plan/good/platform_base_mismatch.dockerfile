#: --platform linux/amd64/v2
FROM for-arm64 AS a
RUN x
FROM bb
COPY --from=a /x /x
COPY --from=for-arm64 /y /y

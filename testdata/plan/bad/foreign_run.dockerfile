#: --platform linux/arm64
FROM scratch
COPY a /
RUN x

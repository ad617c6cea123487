FROM alpine
ARG CREATED REVISION VERSION
LABEL org.opencontainers.image.created=$CREATED \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.version="${VERSION:-dev}" \
      org.opencontainers.image.source=https://example.org/src?x=1&y=2
LABEL "com.example.vendor"="ACME" "com.example.list"="[\"a\"]"

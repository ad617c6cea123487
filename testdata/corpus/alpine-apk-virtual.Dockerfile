FROM alpine:3.20
RUN apk add --no-cache --virtual .build build-base linux-headers \
    && wget -O - "https://example.org/src-1.0.tar.gz" | tar xz -C /tmp \
    && make -C /tmp/src-1.0 install \
    && apk del .build \
    && rm -rf /tmp/*

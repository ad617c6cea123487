FROM ubuntu:22.04
RUN set -eux; \
    savedAptMark="$(apt-mark showmanual)"; \
    apt-get update; \
    apt-get install -y --no-install-recommends ca-certificates wget gnupg; \
    export GNUPGHOME="$(mktemp -d)"; \
    wget -O /usr/local/bin/gosu "https://example.org/gosu-$(dpkg --print-architecture)"; \
    gpgconf --kill all; \
    rm -rf "$GNUPGHOME"; \
    apt-mark auto '.*' > /dev/null; \
    [ -z "$savedAptMark" ] || apt-mark manual $savedAptMark; \
    apt-get purge -y --auto-remove -o APT::AutoRemove::RecommendsImportant=false; \
    chmod +x /usr/local/bin/gosu; \
    gosu nobody true

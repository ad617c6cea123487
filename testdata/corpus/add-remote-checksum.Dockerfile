FROM alpine
ADD --checksum=sha256:24454f830cdb571e2c4ad15481119c43b3cafd48dd869a9b2945d1036d1dc68d https://example.org/linux-0.01.tar.gz /
ADD --chmod=755 --chown=0:0 https://example.org/tini /sbin/tini
ADD --unpack https://example.org/a.tar.xz /opt/
ADD --unpack=false --link local.tar.gz /downloads/
ADD --exclude=*.md --exclude=!README.md docs /docs
ENTRYPOINT ["/sbin/tini", "--"]

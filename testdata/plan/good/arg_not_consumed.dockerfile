#: --build-arg nope=1 --build-arg vresion=2 --build-arg HTTPS_PROXY=p --build-arg SOURCE_DATE_EPOCH=0 --build-arg BUILDKIT_SYNTAX=x --build-arg TARGETARCH=y
# C064
ARG version
FROM scratch

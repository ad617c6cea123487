#: --platform linux/arm64 --build-context bb::linux/arm64/v8=docker-image://for-arm64 --build-context bb=docker-image://no-path --build-context full::linux/s390x=docker-image://bb
FROM --platform=$BUILDPLATFORM bb AS build
FROM bb
COPY --from=build /x /x
COPY --from=full /y /y

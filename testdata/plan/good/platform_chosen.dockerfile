#: --platform linux/arm64/v8
FROM --platform=$BUILDPLATFORM bb AS build
ARG BUILDPLATFORM TARGETARCH TARGETVARIANT
RUN cross
FROM for-arm64
COPY --from=build /x /x

FROM --platform=$BUILDPLATFORM golang:1.22-alpine AS build
ARG TARGETOS TARGETARCH TARGETVARIANT
ARG BUILDPLATFORM
WORKDIR /src
RUN --mount=target=. \
    --mount=type=cache,target=/root/.cache/go-build,id=go-${TARGETARCH} \
    --mount=type=cache,target=/go/pkg/mod \
    GOOS=$TARGETOS GOARCH=$TARGETARCH GOARM=${TARGETVARIANT#v} go build -o /out/app .
FROM alpine
COPY --from=build /out/app /bin/

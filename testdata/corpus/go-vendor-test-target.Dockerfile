FROM golang:1.22 AS base
WORKDIR /go/src/example
COPY . .
FROM base AS lint
RUN go vet ./...
FROM base AS test
RUN go test -race ./... | tee /test.log
FROM base AS build
RUN go install ./...
FROM debian:12-slim AS release
COPY --from=build /go/bin/ /usr/local/bin/
COPY --from=test /test.log /usr/share/doc/

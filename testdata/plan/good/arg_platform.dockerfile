#: --platform linux/arm64
# C066, C067: what is built for another platform runs here.
FROM --platform=$BUILDPLATFORM bb AS build
RUN echo "[$TARGETARCH]"
ARG TARGETARCH TARGETPLATFORM BUILDARCH TARGETVARIANT
RUN make

FROM scratch
COPY --from=build /out /

FROM --platform=linux/amd64 debian:12 AS cross
RUN dpkg --add-architecture arm64
ARG ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu-
ADD --checksum=sha256:0000000000000000000000000000000000000000000000000000000000000000 \
    https://example.org/linux.tar.xz /usr/src/
RUN make -j"$(nproc)" ARCH=$ARCH CROSS_COMPILE=${CROSS_COMPILE} Image
FROM scratch AS artifact
COPY --from=cross /usr/src/linux/arch/arm64/boot/Image /

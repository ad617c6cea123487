FROM debian:bookworm-20240130
ARG DEBIAN_FRONTEND=noninteractive
RUN apt-get update && apt-get install --yes \
        curl=7.88.1-10+deb12u5 \
        ca-certificates=20230311 && \
    rm -rf /var/lib/apt/lists/* \
           /var/cache/apt/archives

FROM debian:12 AS toolchain
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -qy cmake ninja-build g++
FROM toolchain AS build
WORKDIR /b
COPY . /s
RUN cmake -GNinja -S /s -B . -DCMAKE_BUILD_TYPE=Release && ninja && DESTDIR=/install ninja install
FROM debian:12-slim
COPY --from=build /install /
RUN ldconfig

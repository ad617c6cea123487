FROM haskell:9 AS build
WORKDIR /opt/app
RUN cabal update
COPY ./*.cabal ./
RUN cabal build --only-dependencies -j4
COPY . /opt/app
RUN cabal install --install-method=copy --installdir=/out
FROM debian:bullseye-slim
COPY --from=0 /out/* /usr/bin/

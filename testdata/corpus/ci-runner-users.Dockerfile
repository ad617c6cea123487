FROM ubuntu
ARG UID=1000
ARG GID=$UID
RUN groupadd -g $GID ci && useradd -u "$UID" -g "$GID" -m ci
USER ci:ci
WORKDIR /home/ci
WORKDIR work
WORKDIR ../other/./deep
USER 0
USER "${UID}:${GID}"

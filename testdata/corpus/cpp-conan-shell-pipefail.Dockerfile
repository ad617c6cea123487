FROM ubuntu:24.04
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
RUN curl -fsSL https://example.org/install.sh | bash -s -- --prefix=/opt
SHELL ["/bin/sh", "-c"]
CMD exec /opt/bin/app

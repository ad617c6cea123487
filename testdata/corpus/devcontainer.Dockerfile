ARG VARIANT="bookworm"
FROM mcr.example/devcontainers/base:${VARIANT}
ARG USERNAME=vscode
RUN su ${USERNAME} -c "umask 0002 && curl -sSf https://example.org/rustup | sh -s -- -y" 2>&1
ENV SHELL=/bin/zsh
USER $USERNAME

#: --build-context base=docker-image://no-such-image
FROM base

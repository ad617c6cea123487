#: --build-context last=docker-image://full
FROM no-such-image AS last
RUN x
LABEL a=b

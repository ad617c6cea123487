#: --target foo
# C069
FROM bb AS foo
ARG TARGETSTAGE
RUN x
FROM no-such

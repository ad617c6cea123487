# C119, C120
FROM bb AS tools
RUN tools
FROM bb AS a
ONBUILD RUN mkdir -p /out && echo 1 >/out/f
ONBUILD COPY --from=tools /t /t
FROM a AS b
RUN x
FROM b

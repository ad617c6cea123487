# C119
FROM bb AS a
ONBUILD RUN mkdir -p /out && echo 1 >/out/f
FROM a
RUN x

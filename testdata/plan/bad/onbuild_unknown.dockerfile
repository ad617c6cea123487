FROM bb AS a
ONBUILD COPY --from=nowhere a b
FROM a

#: --build-context SRC=dir
FROM bb
COPY --from=src a b
COPY --from=Src c d
COPY e f

# C082
FROM bb AS first
LABEL one=1
FROM bb
LABEL two=2
COPY --from=0 /x /x

# C076
FROM bb AS a
COPY --from=later /x /x
COPY --from=A /x /x
COPY --from=0 /x /x
COPY --from=7 /x /x
FROM a AS b
FROM bb AS later
FROM b

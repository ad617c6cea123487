#: --no-cache-filter Fresh,stage-2,frehs
FROM bb AS kept
RUN a
FROM bb AS fresh
RUN b
FROM bb
COPY --from=kept / /
COPY --from=fresh / /
RUN b

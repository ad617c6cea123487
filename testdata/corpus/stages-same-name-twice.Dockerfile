FROM a AS s
RUN one
FROM s AS s
RUN two
FROM s
COPY --from=s / /

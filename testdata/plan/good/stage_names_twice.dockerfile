# A FROM means the nearest earlier stage of a name.
FROM bb AS x
RUN first
FROM x AS x
RUN second
FROM x
COPY --from=x /a /a

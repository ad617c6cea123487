# C221: equal work is done once, a stage is lowered once.
FROM bb AS base
RUN common
FROM base AS one
RUN same
COPY a /a
FROM base AS two
RUN same
COPY a /a
FROM scratch
COPY --from=one / /1
COPY --from=two / /2
COPY --from=base / /3

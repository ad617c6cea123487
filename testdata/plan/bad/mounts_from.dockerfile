FROM bb
RUN --mount=from=later,target=/x a
RUN --mount=from=1,target=/x a
FROM bb AS later
RUN --mount=from=later,target=/x a

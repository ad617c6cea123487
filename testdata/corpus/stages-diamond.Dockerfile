FROM alpine AS base
FROM base AS left
RUN echo left > /left
FROM base AS right
RUN echo right > /right
FROM base AS join
COPY --from=left /left /
COPY --from=right /right /
RUN cat /left /right

FROM bb
COPY --from=$S a b
RUN --mount=from=$S,target=/x a

FROM alpine
RUN -- --mount=looks-like-a-flag
RUN --network=none -- --x
CMD -- --not-a-flag
COPY -- --odd-name /x

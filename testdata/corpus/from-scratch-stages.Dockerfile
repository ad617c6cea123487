FROM scratch AS files
COPY a /
FROM scratch
COPY --from=files / /

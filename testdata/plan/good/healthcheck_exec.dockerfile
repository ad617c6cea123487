FROM bb
HEALTHCHECK CMD ["a", "b c"]

FROM $nothing AS a
FROM a
COPY --from=bb /x /x

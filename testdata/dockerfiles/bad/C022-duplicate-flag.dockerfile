FROM bb
COPY --from=a --from=b x y

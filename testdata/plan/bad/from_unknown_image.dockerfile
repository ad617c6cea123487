FROM unknown AS a
RUN x
EXPOSE a
FROM bb
COPY --from=a /x /x
COPY --from=missing /x /x

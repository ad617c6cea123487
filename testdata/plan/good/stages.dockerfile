# C073 to C077: names, numbers, images, and only what is needed.
FROM no-such AS never
FROM bb AS Build
WORKDIR /src
RUN make
FROM bb
COPY --from=1 /src/out /bin/
COPY --from=BUILD /src/out /bin/
COPY --from=full /bin/x /x

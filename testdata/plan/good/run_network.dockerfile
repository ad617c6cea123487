#: --network host
FROM bb
RUN a
RUN --network=default b
RUN --network=host c
RUN --network=none d

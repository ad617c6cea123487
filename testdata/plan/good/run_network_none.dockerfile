#: --network none
FROM bb
RUN a
RUN --network=none b
RUN --security=sandbox c

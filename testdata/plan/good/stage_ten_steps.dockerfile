# The counter is as wide as the total.
FROM bb AS s
RUN 2
RUN 3
RUN 4
RUN 5
RUN 6
RUN 7
RUN 8
RUN 9
RUN 10
FROM s

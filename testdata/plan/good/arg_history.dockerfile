# C113: one entry a name, in the order of first declarations, with the value of now.
FROM bb
ARG foo=1
ARG bar=2
ARG foo=3
RUN x
ARG unset
ENV bar=env
RUN y

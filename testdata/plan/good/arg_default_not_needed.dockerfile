#: --build-arg x=1
# C057: a default that is not needed is not expanded.
FROM bb
ARG x=${y:?need}
RUN echo $x

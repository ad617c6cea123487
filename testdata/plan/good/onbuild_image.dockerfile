# C118, C120, C124
FROM triggers
ENTRYPOINT ["own"]
RUN own $v $e
ONBUILD RUN later

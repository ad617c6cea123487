# PATH is there in any case.
FROM no-path
RUN x

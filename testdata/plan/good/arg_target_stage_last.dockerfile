# The last stage has a name, and no target is given.
FROM bb AS one
FROM bb AS two
ARG TARGETSTAGE
RUN x

#: --build-context base=docker-image://full --build-context files=dir
FROM no-such-image AS base
RUN this does not count
COPY --from=neither /a /a
FROM no-such-image AS files
RUN neither does this
FROM base
RUN x
COPY --from=files /y /y
COPY --from=base /z /z

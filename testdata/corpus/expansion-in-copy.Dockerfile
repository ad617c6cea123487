FROM alpine
ARG DIR=src EXT=txt OWNER=1 MODE=644
COPY --chown=$OWNER:${OWNER} --chmod=$MODE --exclude=*.${EXT} $DIR/*.$EXT "/to/${DIR}/"
COPY $DIR/a\ b /x
ADD ${DIR}/file.$EXT ./

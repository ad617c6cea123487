FROM debian AS src
FROM debian
ARG CACHE=/cache DIR=work
RUN --mount=from=src,source=/etc,target=/src-etc,ro \
    --mount=type=bind,src=.,dst=/ctx,rw \
    --mount=type=cache,destination=${CACHE},id=c1,from=src,source=/var/cache,uid=1,gid=2,mode=0755 \
    --mount=type=tmpfs,target=/$DIR/tmp \
    --mount=type=secret,id=s \
    --mount=type=ssh \
    ls /src-etc
RUN --mount="type=bind,source=a b,target=/x y" true
RUN --mount='type=cache,"target=/with,comma"' true

#: --build-arg BUILDKIT_CACHE_MOUNT_NS=team --build-context files=dir
FROM bb AS first
RUN x
FROM bb
WORKDIR /w
ARG D=d S=1k
RUN --mount=target=c --mount=source=./a/../b,target=/w/c/b,rw --mount=from=first,source=../x,target=/first --mount=from=files,target=/files y
RUN --mount=type=cache,target=$D/../e --mount=type=cache,target=/f,id=i,sharing=locked,from=first,source=s,uid=1,mode=0700 --mount=type=tmpfs,target=/t,size=$S z
RUN --mount=type=secret,id=s --mount=type=secret,id=s,env=E,required --mount=type=ssh --mount=type=ssh,id=o,mode=0666 z

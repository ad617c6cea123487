FROM bb
RUN --mount=type=cache,target=/c x
RUN --security=insecure x
RUN --device=a/b=c x
RUN --network=host x

FROM bb
RUN --mount=type=bind,source=a,target=/a,from=one,rw --mount="type=secret,id=k" --mount=type=tmpfs,target=$T,size=1g --network=HOST --security=insecure --device=vendor.com/gpu=0,required x
RUN --mount=type=cache,\"target=/a,b\" y

FROM bb
ARG E
RUN --mount=type=tmpfs,target=$E a
RUN --mount=type=tmpfs,target=x/.. a
RUN --mount=type=$E,target=/x a
RUN --mount=type=tmpfs,target=/x,size=$E a
RUN --mount=type=cache,target=/x,sharing=${E:-often} a
RUN --mount=type=cache,target=/x,mode=${E:-9} a
RUN --mount=type=secret,id=${E} a
RUN --mount=type=secret,id=s,required=${E:-perhaps} a

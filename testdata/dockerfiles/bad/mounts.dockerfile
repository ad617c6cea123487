FROM bb
RUN --mount=type=cahce,target=/x a
RUN --mount=type=cache,taget=/x a
RUN --mount=type=cache,target=/x,size=1 a
RUN --mount=type=cache,target a
RUN --mount=type=cache,target=/x,sharing=all a
RUN --mount=type=cache,target=/x,mode=rwx a
RUN --mount=type=cache a
RUN --mount=type=bind,target=/../. a
RUN --mount=type=secret a
RUN --mount=type=secret,id=a,source=b a
RUN --mount=type=secret,id=a,from=b a
RUN --mount= a
RUN --mount=a\"b a
RUN --mount=target=/x,ro=maybe a

#: VERSION=1.2 HTTP_PROXY=http://me:password@proxy
FROM alpine AS build
ARG VERSION
WORKDIR /src
COPY --exclude=*.md go.mod src/ ./
RUN --mount=type=cache,target=/cache,sharing=locked --mount=type=secret,id=token,uid=7 \
    --mount=type=ssh make VERSION=$VERSION
RUN --network=none --mount=type=bind,from=busybox,source=/bin,target=/tools --mount=type=tmpfs,target=/t \
    --mount=type=secret,id=maybe,env=MAYBE /tools/test

FROM busybox AS last
USER 7
COPY --from=build /src/out /bin/
ADD https://example.org/file https://example.org/repository.git#v1 /fetched/
COPY <<one <<two /texts/
first
one
second
two
RUN --network=host --security=insecure id

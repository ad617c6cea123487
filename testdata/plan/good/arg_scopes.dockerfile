#: --build-arg given=user
# C054 to C060: who sees which ARG.
ARG tag=1 given=default none
FROM bb AS hidden
RUN echo "[$tag]"

FROM bb AS visible
ARG tag given
ARG a1=foo a2=$a1
ARG FOO= BAR
ENV seen="$tag $given $a2"
RUN env

FROM visible
COPY --from=hidden /x /x
RUN echo $tag

FROM bb
ONBUILD COPY <<EOF /f
a $b
EOF
ONBUILD RUN --mount=type=cache,target=/c x
ONBUILD USER u

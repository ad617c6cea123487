ARG A=1 B="x y"
# B why
ARG C

FROM --platform=$BUILDPLATFORM img:$A AS one
ARG A
FROM one

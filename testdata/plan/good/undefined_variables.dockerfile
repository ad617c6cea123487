# C067, C070: what is probably a slip.
ARG version=1
FROM bb$vershun
ARG declared known=1
ENV PORT=80
RUN echo $nothing
ENV a=$PROT b=$declared c=${other:-x}
COPY <<EOF /f
$knwon
EOF

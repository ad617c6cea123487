FROM alpine
RUN echo "<<EOF" '<<EOF' \<<EOF
RUN cat <<<here-string
RUN echo $((2<<4))
RUN ["echo", "<<EOF"]
CMD cat <<EOF

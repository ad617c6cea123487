FROM bb
RUN cat <<EOF
x
 EOF
USER u

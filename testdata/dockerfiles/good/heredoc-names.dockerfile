FROM bb
RUN cat << EOF
x
EOF
RUN cat <<EOF>/f; (cat <<'A B'|sh)
x
EOF
y
A B
COPY <<$X <<e"o"f /d/
1
$X
2
eof

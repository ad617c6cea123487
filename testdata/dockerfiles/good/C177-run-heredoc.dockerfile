FROM bb
RUN <<EOF
a=1
echo $a
EOF
RUN <<EOF
EOF

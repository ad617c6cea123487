FROM bb
COPY <<EOF /f
a $V
# no comment

EOF
COPY <<"EOF" /f
a $V
EOF

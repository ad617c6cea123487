FROM scratch
COPY <<"EOF" /double
a $V \$V
EOF
COPY <<'EOF' /single
a $V
EOF
COPY <<E"O"F /part
a $V
EOF
COPY <<EOF /open
a $V
EOF

FROM bb
COPY onlyone
ADD
COPY ["a"]
COPY <<EOF
x
EOF

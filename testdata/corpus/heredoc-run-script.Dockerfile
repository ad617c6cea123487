FROM alpine
RUN <<EOF
set -e
apk add curl
curl --version
EOF
RUN <<'LITERAL'
echo $HOME "quotes" 'stay' \n
LITERAL
RUN <<"DOUBLE"
echo also literal
DOUBLE

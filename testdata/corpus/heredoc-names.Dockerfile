FROM alpine
COPY <<a.b-c_d /x/
1
a.b-c_d
COPY <<'with space' /x/
2
with space
COPY <<é /x/
3
é
COPY <<E"O"F /x/
4 literal
EOF

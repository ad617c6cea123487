FROM alpine
RUN cat <<EOF|tr a b>/out
aaa
EOF
RUN (cat <<X; echo) && true
in a subshell
X

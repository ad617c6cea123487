FROM bb
RUN cat <<A > /x && cat <<B > /y
1
A
2
B
RUN 3<<EOF cat <&3
x
EOF

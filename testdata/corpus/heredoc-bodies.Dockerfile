FROM alpine
RUN <<EOF
EOF
RUN <<EOF

# a comment that stays
FROM looks like an instruction
  EOF
EOF2
trailing backslash \
"unbalanced
EOF
COPY <<EOF /specials
\$V \\ \
"quotes" 'stay' ${V:-default}
<<NESTED
EOF

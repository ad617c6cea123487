FROM scratch
COPY <<EOF <<"LITERAL" /d/
\
\\
\$
EOF
\
\\
\$
LITERAL

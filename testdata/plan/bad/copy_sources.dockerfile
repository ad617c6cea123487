FROM bb
COPY http://h/f /f
COPY git@github.com:a/b.git /f
ADD https://h/r.git?tag=v1&ref=v2 /f
ADD https:///f.txt /f
COPY --chmod=64a a /f
COPY --chmod=10000 a /f
COPY --chmod=u+y a /f
COPY --chown=a:b:c a /f
COPY <<a/b /f
EOF
a/b

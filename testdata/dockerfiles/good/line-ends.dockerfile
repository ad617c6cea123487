FROM bb
RUN a \
 b

# c
COPY <<EOF /f
1
2
EOF
USER u
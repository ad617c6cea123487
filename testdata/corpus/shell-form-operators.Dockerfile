FROM alpine
RUN a=1; b=2 && [ "$a" = 1 ] || { echo "no" >&2; exit 1; }
RUN for f in *.c; do cc -c "$f" -o "${f%.c}.o"; done
RUN echo $((1 << 3)) > /eight
RUN test -n "$(printf '%s' "$PATH" | tr : '\n')"
RUN cat /etc/passwd | awk -F: '{ print $1 }' | sort -u > /users 2>&1

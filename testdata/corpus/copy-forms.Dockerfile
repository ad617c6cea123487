FROM alpine
COPY a /
COPY a b c/ d/
COPY *.txt ?.md [a-c]x [^d]y \[lit /to/
COPY . .
COPY --link . /all
COPY --link=true --parents=false a b
COPY --parents ./x/./y/**/*.go /z/
COPY --from=golang:1.22 /usr/local/go /usr/local/go
COPY --chmod=u=rwX,go=rX bin/ /usr/local/bin/
COPY ../outside /absolute/../dest

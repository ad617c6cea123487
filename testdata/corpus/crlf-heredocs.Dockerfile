FROM alpine
RUN <<EOF
echo a
EOF
COPY <<-'X' /x
	body
	X
RUN true

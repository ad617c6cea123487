FROM alpine
RUN <<-EOF
	if true; then
		echo indented
	fi
	EOF
RUN <<- SPACED
	echo a name behind a blank
	SPACED

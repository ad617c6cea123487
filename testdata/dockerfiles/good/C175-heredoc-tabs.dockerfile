FROM bb
COPY <<-EOF /f
		a
	 b
	EOF

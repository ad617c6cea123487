# C172 to C176
FROM scratch
ENV V=value
COPY <<EOF /f
a $V "q" \$V \\
EOF
COPY --chmod=755 <<"a" <<-b local /d/
$V
a
	x $V
	  y
	b

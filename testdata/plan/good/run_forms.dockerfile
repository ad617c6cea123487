# Shell, exec, scripts and shells with heredocs.
FROM bb
ENV A=x
RUN echo $A \
    # a comment
    && echo "two"
RUN ["echo", "$A"]
RUN <<EOF
a=1
echo $a
EOF
RUN <<-"EOF"
	#!/usr/bin/env python
	print("x")
	EOF
RUN cat <<A > /x && cat <<-B > /y
one
A
	two
	B
run --network=none lower case

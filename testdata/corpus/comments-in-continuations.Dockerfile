FROM alpine
RUN echo a \
# at column one
    # indented
	# behind a tab
 && echo b \
#
 && echo c
ENV A=1 \
    # between pairs
    B=2 \
    # before the last
    C=3
LABEL x=y \
# last
      z=1

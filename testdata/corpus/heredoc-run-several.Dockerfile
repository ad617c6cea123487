FROM alpine
RUN cat <<A > /a && cat <<B >> /b
first
A
second
B
RUN <<ONE cat - 3<<TWO
1
ONE
2
TWO
RUN 4<<FD sh -c 'cat <&4'
fd
FD

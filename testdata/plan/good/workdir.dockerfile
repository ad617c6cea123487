# C106 to C109
FROM bb
WORKDIR /a
WORKDIR b
WORKDIR ..
ENV D=/x/./y/../z/
USER u
WORKDIR $D
COPY f .
COPY f ./
COPY f g
COPY f ../g/.
WORKDIR /

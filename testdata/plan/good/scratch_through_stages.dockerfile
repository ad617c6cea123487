# C080
FROM scratch AS a
FROM a AS b

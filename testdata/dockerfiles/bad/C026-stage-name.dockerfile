FROM scratch AS 1bad
FROM scratch AS a/b
FROM scratch AS ä

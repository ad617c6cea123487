FROM a b
FROM
FROM a to b
FROM a AS
FROM a as b c

# check=skip
FROM bb

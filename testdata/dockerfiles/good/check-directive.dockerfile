# check=skip=all;experimental=A,B
FROM bb
# check=skip=StageNameCasing
USER u

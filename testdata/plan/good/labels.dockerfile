#: --label a=2 --label b=3
# C102
FROM scratch
LABEL a=1 c="x y"

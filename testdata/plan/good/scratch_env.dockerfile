# C072, C081
FROM scratch
ENV A=b

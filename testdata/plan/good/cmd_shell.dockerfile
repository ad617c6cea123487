# C091
FROM bb AS parent
SHELL ["/bin/ash", "-ec"]
CMD x y
FROM parent
RUN z
CMD z

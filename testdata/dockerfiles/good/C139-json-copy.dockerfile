FROM bb
COPY ["a b","c d"]
ADD ["x\ty", "\u00e9", "/d/"]

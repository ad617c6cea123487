FROM bb
COPY <<a x <<b /d/
1
a
2
b

FROM al\
pine:3\
.20
COP\
Y fi\
rst sec\
ond /dest/

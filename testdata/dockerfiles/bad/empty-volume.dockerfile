FROM bb
VOLUME ["/a", " "]

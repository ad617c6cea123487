FROM bb
VOLUME /a /b
VOLUME ["/c d"]

FROM alpine
VOLUME /a
VOLUME /b /c	/d
VOLUME ["/e", "/f g"]
VOLUME [not json]

FROM alpine AS a
CMD
FROM alpine AS b
CMD []
ENTRYPOINT []
FROM alpine AS c
ENTRYPOINT
FROM alpine AS d
ENTRYPOINT exec top -b
CMD ["-d", "5"]
FROM alpine AS e
CMD "quoted  text" 'and more'

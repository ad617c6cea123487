FROM alpine AS single
CMD ['echo', 'single quotes']
FROM alpine AS trailing
CMD ["echo", "comma",]
FROM alpine AS bare
CMD [echo]
FROM alpine AS after
CMD ["echo"] && true
FROM alpine AS test
RUN [ -e /etc/passwd ]
FROM alpine AS test2
RUN [[ -e /etc/passwd ]] || true

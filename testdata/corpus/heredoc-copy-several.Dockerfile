FROM alpine
COPY <<robots.txt <<humans.txt /usr/share/html/
User-agent: *
robots.txt
made by people
humans.txt
COPY --chown=1:1 plain.txt <<extra /dir/
extra body
extra
ADD <<'script.sh' <<-tabbed /bin/
#!/bin/sh
script.sh
	x
	tabbed

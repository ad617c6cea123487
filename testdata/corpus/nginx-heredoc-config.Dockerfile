FROM nginx
COPY <<"EOF" /etc/nginx/conf.d/default.conf
server {
    listen 80;
    # $host stays for nginx
    proxy_set_header Host $host;
}
EOF
COPY --chmod=0644 <<-EOF /etc/motd
	built from ${IMAGE:-nothing}
	  two spaces stay
	EOF

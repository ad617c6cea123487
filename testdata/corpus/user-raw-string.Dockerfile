FROM alpine
USER a b
USER 1000:nogroup
USER "www-data"

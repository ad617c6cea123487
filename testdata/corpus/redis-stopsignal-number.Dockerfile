FROM redis:7
STOPSIGNAL 9
ENTRYPOINT exec redis-server --save ""
VOLUME /data

FROM alpine
COPY crontab /etc/crontabs/root
RUN chmod 0600 /etc/crontabs/root && touch /var/log/cron.log
CMD crond -f -l 8 & tail -F /var/log/cron.log

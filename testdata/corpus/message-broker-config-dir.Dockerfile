FROM rabbitmq:3-management
COPY --chown=rabbitmq:rabbitmq conf.d/ /etc/rabbitmq/conf.d/
RUN rabbitmq-plugins enable --offline rabbitmq_mqtt rabbitmq_stomp
EXPOSE 1883 15672
HEALTHCHECK --timeout=10s CMD rabbitmq-diagnostics -q ping

FROM composer:2 AS vendor
COPY composer.json composer.lock /app/
RUN composer install --no-dev --no-scripts
FROM php:8.3-fpm-alpine
RUN set -eux; \
	apk add --no-cache nginx supervisor; \
	\
	apk add --no-cache --virtual .build-deps $PHPIZE_DEPS; \
	pecl install redis; \
	docker-php-ext-enable redis; \
	\
	apk del .build-deps
COPY --from=vendor /app/vendor /var/www/vendor
COPY <<EOF /etc/supervisord.conf
[supervisord]
nodaemon=true

[program:fpm]
command=php-fpm -F
EOF
CMD ["supervisord", "-c", "/etc/supervisord.conf"]

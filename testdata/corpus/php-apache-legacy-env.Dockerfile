FROM php:8-apache
MAINTAINER Web Team <web@example.org>
ENV APACHE_DOCUMENT_ROOT /var/www/html/public
ENV GREETING Hello,   "world"  and others
LABEL vendor ACME Incorporated
RUN sed -ri -e "s!/var/www/html!${APACHE_DOCUMENT_ROOT}!g" /etc/apache2/sites-available/*.conf
COPY . /var/www/html
VOLUME /var/www/html/storage /var/log/apache2
EXPOSE 80

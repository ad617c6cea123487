FROM postgres:16
LABEL org.opencontainers.image.title="database" \
      org.opencontainers.image.description="a database with \"quotes\" and \
spaces" \
      org.opencontainers.image.licenses='PostgreSQL'
COPY ["init scripts/", "/docker-entrypoint-initdb.d/"]
VOLUME ["/var/lib/postgresql/data"]
STOPSIGNAL SIGINT
EXPOSE 5432
HEALTHCHECK --start-period=1m30s --start-interval=2s --interval=10s CMD pg_isready -U "$POSTGRES_USER"

# C098
FROM bb
HEALTHCHECK --interval=1s --timeout=1m30s --start-period=1.5s --start-interval=100ms --retries=5 CMD exit 0

FROM bb
HEALTHCHECK --interval=1s --retries=5 CMD exit 0
HEALTHCHECK --timeout=1m30s --start-period=0 --start-interval=1ms cmd ["a", "b"]
HEALTHCHECK NONE

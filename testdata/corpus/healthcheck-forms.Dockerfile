FROM a AS none
HEALTHCHECK NONE
FROM a AS shell
HEALTHCHECK cmd curl -f http://localhost/ || exit 1
FROM a AS exec
HEALTHCHECK --interval=5m --timeout=3s --start-period=0s --start-interval=500ms --retries=0 CMD ["/probe", "--deep"]
FROM a AS last-one-wins
HEALTHCHECK CMD true
HEALTHCHECK --retries=7 CMD false

# C092
FROM scratch
CMD echo

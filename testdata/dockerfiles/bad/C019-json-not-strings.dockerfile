FROM bb
CMD ["a", 1]
COPY ["a", null]
HEALTHCHECK CMD [true]

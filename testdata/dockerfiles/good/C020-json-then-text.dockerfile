FROM bb
CMD ["a"] b
RUN [ -f x ] && y

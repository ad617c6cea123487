# The CMD of another stage is as good as a base's.
FROM bb AS a
CMD ["c"]
FROM a
ENTRYPOINT ["e", "a b", "\"q\""]

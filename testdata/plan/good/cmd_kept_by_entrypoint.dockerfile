# C089
FROM bb AS a
CMD ["c"]
ENTRYPOINT ["e"]

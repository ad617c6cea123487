# What is wrong with a trigger is said where the file names its image.
FROM bad-trigger AS a
FROM two-in-one
COPY --from=a / /

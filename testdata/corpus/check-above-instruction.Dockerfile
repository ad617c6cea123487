FROM alpine
# check=skip=JSONArgsRecommended
CMD echo hello
# build-stage is what others start from
FROM alpine AS build-stage
# VERSION is what gets installed
ARG VERSION=1

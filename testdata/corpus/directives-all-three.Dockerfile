# syntax=docker/dockerfile:1-labs
# escape=\
# check=skip=JSONArgsRecommended,StageNameCasing;error=true;experimental=all
FROM alpine AS Final
CMD echo hello

# escape=`
FROM alpine AS a
# a comment
RUN echo a `
    # inside
    && echo b
COPY x C:\dir\
ENV A=1 `
    B="2"

CMD ["x", `
  "y"]

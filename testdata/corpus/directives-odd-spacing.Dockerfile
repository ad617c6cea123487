#   SYNTAX   =   example.org/frontend:2
#check = skip=all
#ESCAPE=`
FROM alpine
RUN echo a `
  b

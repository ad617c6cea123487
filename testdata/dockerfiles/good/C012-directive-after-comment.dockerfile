# hello
# escape=`
FROM bb
RUN a \
 b
RUN c `

# escape=`
FROM bb
RUN a `
 b
COPY x c:\dir\

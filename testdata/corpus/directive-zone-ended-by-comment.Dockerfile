# This file is maintained by hand.
# escape=`
FROM alpine
RUN echo the backslash still continues \
  here

FROM \
  alpine \
  AS \
  named
RUN \
  true
ENV \
  A=1

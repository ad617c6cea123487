ARG a="${x:?must be set}" b=1
ARG c=${
FROM bb

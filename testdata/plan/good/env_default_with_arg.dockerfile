# C071
FROM bb
ARG my_arg
ENV my_arg "v=${my_arg:-def}"
ENV t "${my_arg%%e*}"

# C097, C101, and what else is only known after expansion.
FROM bb
ENV empty=
EXPOSE :
EXPOSE a
EXPOSE 5-2
EXPOSE $empty 70000
STOPSIGNAL SIGFOO
STOPSIGNAL $empty
USER a:b:c
USER 4294967296
ENV $empty=x
LABEL a=1 "$empty"=x
VOLUME $empty
ARG $empty=x
WORKDIR ${x:?why}
ENV ok=${broken
RUN fine

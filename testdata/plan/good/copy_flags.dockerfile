FROM bb
ARG owner=1000:user mode=u=rwX,go=rX
ENV d=/src t=/dst
COPY --chown=$owner --chmod=$mode $d/f ${t}/
COPY --chown=$unset --chmod=0 a b /c
COPY --link=false ["a b", "c d"]
COPY / ./* ../x/../y /all/
ADD a.tar *.tar.gz /d
ADD --chmod=755 --chown=0 b /

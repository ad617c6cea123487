FROM alpine
ENV A=$1 B=$@ C=$$ D=\$HOME E='$HOME' F="\$HOME" G=$ H=a$b$c I=${A}b J=$A.b
WORKDIR /$A/${B}
USER $A:${C:-0}
EXPOSE $P ${Q:-80}/tcp
VOLUME $A /b${B}
LABEL $A=$B "${A}key"="${B}"
STOPSIGNAL ${SIG:-SIGTERM}

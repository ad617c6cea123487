FROM alpine
ENV V=foobarfoo P=a/b/c EMPTY=
ENV A=${V#foo} B=${V##*o} C=${V%foo} D=${V%%o*}
ENV E=${V/foo/x} F=${V//foo/x} G=${P//\//-} H=${P##*/}
ENV I=${UNSET:-d} J=${UNSET-d} K=${EMPTY:-d} L=${EMPTY-d}
ENV M=${V:+s} N=${EMPTY:+s} O=${EMPTY+s} Q=${UNSET+s}
ENV R=${UNSET:-${ALSO:-${V}}} S=${V#${P%%/*}} T=${UNSET:-"a } b"}

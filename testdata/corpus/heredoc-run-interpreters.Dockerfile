FROM debian
RUN <<EOF
#!/bin/bash -e
shopt -s nullglob
EOF
RUN --mount=type=cache,target=/x <<EOF
#!/usr/bin/perl
print "hello\n";
EOF
RUN node <<JS
console.log(`template ${1 + 1}`)
JS

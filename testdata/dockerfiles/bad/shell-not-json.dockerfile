FROM bb
SHELL /bin/sh -c

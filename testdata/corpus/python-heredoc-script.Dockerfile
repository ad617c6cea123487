# syntax=docker/dockerfile:1.7
FROM python:3
RUN <<EOF
#!/usr/bin/env python3
import sys
# a comment of Python's, not of the Dockerfile's
print("built with", sys.version)
EOF
RUN python3 <<'PY' > /etc/version
print("$NOT_EXPANDED")
PY

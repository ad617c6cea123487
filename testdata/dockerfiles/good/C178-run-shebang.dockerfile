FROM bb
RUN <<EOF
#!/usr/bin/env python
print(1)
EOF

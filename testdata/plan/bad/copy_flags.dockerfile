FROM bb
COPY --exclude=[ a /b
COPY --exclude=x --exclude=! a /b
ADD --checksum=sha256:00 http://h/f /b
ADD --keep-git-dir=true https://h/f /b

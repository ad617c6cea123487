FROM bb
COPY --link a /b
COPY --parents a /b
COPY --exclude=x a /b
ADD --checksum=sha256:00 http://h/f /b
ADD --keep-git-dir=true https://h/r.git /b
ADD --unpack=true a /b
ADD --link a /b

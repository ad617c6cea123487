FROM bb
ARG VERSION=1
ADD https://user:password@h/dir/f-$VERSION.txt?token=secret /d/
ADD --checksum=sha256:73cb3858a687a8494ca3323053016282f3dad39d42cf62ca4e79dda2aac7d9ac --unpack=false http://h/f /g
ADD --checksum= http://h /d/
ADD --keep-git-dir git@h:r.git#v${VERSION}:sub /r
ADD --keep-git-dir=false --checksum=B765A42 https://token@h/r.git?branch=main&subdir=sub&submodules=0&mtime=commit /r
ADD https://h/r.git https://h/f local <<EOF /d/
EOF

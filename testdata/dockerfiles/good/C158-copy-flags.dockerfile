FROM bb
COPY --from=Build --chown=u:g --chmod=u=rwX,go=rX --link --parents=FALSE --exclude=*.log --exclude=!keep.log a b /d/
ADD --checksum=sha256:00 --keep-git-dir --unpack=false --link=true --chown="$u:$g" https://h/f /d/

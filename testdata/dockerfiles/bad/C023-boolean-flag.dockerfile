FROM bb
COPY --link=maybe x y
COPY --link= x y
COPY --chown x y

FROM bb
ARG ext=log empty
COPY --parents a/b ./c/ /d/./e f/./g/./h i/./ ../j/../k/./l*/**/m /n
COPY --exclude=*.$ext --exclude=$empty --exclude=!keep.log a /b
COPY --link a /b
COPY --link --chmod=$empty a /b
COPY --link --chmod=644 --chown=1 --parents a /b
ADD --link --exclude=x a /b
ADD --unpack=false a.tar /b
ADD --unpack a.tar /b

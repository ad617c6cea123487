FROM alpine/git AS theme
ADD --keep-git-dir=true https://git.example.org/theme.git#v1.2:src /theme
FROM klakegg/hugo AS site
COPY . /src
COPY --from=theme /theme /src/themes/theme
RUN hugo --minify
FROM scratch
COPY --from=site /src/public /

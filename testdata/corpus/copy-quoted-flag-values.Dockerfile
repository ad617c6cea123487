FROM alpine
COPY --chown="a:b" --exclude='*.log' --exclude="with space" --exclude=esc\ aped x /y
COPY --from="build" --link=TRUE x y

FROM alpine
RUN ["/bin/sh", "-c", "echo \"quoted\" \\ \u00e9 \t"]
ENTRYPOINT ["/entry", ""]
CMD []
SHELL ["/bin/sh", "-euxc"]
VOLUME ["/a b", "/c"]
COPY ["a file", "another file", "/dest dir/"]
ADD ["x,y", "z]", "/"]

FROM bb
RUN apt-get update &&
    apt-get install \
      curl
    rm -rf /x
USER u

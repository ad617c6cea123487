# Everything of the base's config, and a relative WORKDIR below the base's.
FROM full
RUN x
WORKDIR sub
ENV B=3 C=4
LABEL more=yes
EXPOSE 443
VOLUME /other
CMD run it

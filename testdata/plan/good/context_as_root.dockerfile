#: --build-context rootfs=dir
FROM rootfs AS a
RUN x
FROM rootfs
COPY y z
COPY --from=a /x /x

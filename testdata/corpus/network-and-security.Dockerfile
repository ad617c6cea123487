FROM alpine
RUN --network=none ./configure --offline
RUN --network=host curl http://localhost:8080
RUN --network=default --security=sandbox true
RUN --security=insecure mount -t tmpfs none /mnt
RUN --device=nvidia.com/gpu=all nvidia-smi
RUN --device=vendor.com/class=a,required --device=b/c nproc

FROM bb
RUN --network=nowhere x
RUN --security=none x
RUN --device=,required x
RUN
RUN []

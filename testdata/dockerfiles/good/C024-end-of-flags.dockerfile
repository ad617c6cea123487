FROM bb
RUN -- --mount
RUN --network=none -- x

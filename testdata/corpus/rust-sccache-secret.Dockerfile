FROM rust:slim AS b
ENV RUSTC_WRAPPER=sccache
RUN --mount=type=secret,id=aws,target=/root/.aws/credentials,required \
    --mount=type=cache,target=/usr/local/cargo/registry \
    --network=default \
    cargo build --release
RUN --mount=type=secret,id=token,env=CARGO_REGISTRY_TOKEN cargo publish --dry-run

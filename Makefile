# make demo    builds strata, an image with it, runs that and asks it
# make test    lints, documentation and all tests; continuous integration runs this and make fuzz
# make fuzz    made-up Dockerfiles, words and ignore files, for FUZZ_SECONDS each (60), all at the same time
# make bench   the workloads of docs/PERFORMANCE.md; BENCH='w3 w5' picks some, BENCH='--help' tells more
#
# All of them install what is missing (as root, by apt).

CARGO ?= cargo
STRATA ?= $(CURDIR)/target/release/strata
BENCH ?=

SCRIPTS = .ci/deps .ci/run tests/fuzz/run fixtures/demo fixtures/bases/make fixtures/bases/rootfs.sh $(wildcard fixtures/bases/recipes/*.sh)

export STRATA

.PHONY: build demo test lint unit fuzz bench deps bases

build: deps
	$(CARGO) build --locked --release

demo: build
	fixtures/demo

test: lint unit

lint: deps
	shellcheck --external-sources $(SCRIPTS)
	$(CARGO) fmt --check
	$(CARGO) fmt --check --manifest-path tests/fuzz/Cargo.toml
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --no-deps

# nextest does not run the examples in doc comments.
unit: deps bases
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
	  set -ex; $(CARGO) test --locked --doc; $(CARGO) nextest run --locked; \
	else \
	  set -ex; $(CARGO) test --locked; \
	fi

# Beside a compiler for libFuzzer, which is C++.
fuzz: deps
	@.ci/deps g++ cargo-fuzz
	@CARGO='$(CARGO)' tests/fuzz/run

bench: deps
	$(CARGO) bench --locked --bench workloads -- $(BENCH)

# Makes the root file systems that tests import, and keeps them.
bases: deps
	@fixtures/bases/make --tar busybox busybox:arm64 debian:12-slim node:12.20.1 >/dev/null

deps:
	@.ci/deps

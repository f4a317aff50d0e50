# OmenDB. `make run` and `make test` do everything on a fresh Debian machine with rustup and make.

DATA ?= data
LISTEN ?= 127.0.0.1:5433
PACKAGES := clang libclang-dev lld g++ pkg-config
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

.PHONY: run build test fmt clippy doc crash-long setup

run: build
	target/release/omendb serve --data $(DATA) --listen $(LISTEN)

build: setup
	cargo build --release --bin omendb

test: setup
	cargo build --bin omendb
	cargo test --lib --tests

# Installs what RocksDB's bindings and the linker need, once.
setup:
	@if ! command -v clang >/dev/null || ! command -v ld.lld >/dev/null || ! ls /usr/lib/llvm-*/lib/libclang*.so* >/dev/null 2>&1; then \
	  $(SUDO) apt-get update -qq && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $(PACKAGES); fi

fmt:
	cargo fmt --check

clippy: setup
	cargo clippy --all-targets -- -D warnings

# Module pages name their private parts: they are for whoever works here.
doc: setup
	RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" cargo doc --no-deps --lib

# Kills the server at random moments 200 times; CI does it 10 times within `make test`.
crash-long: setup
	OMENDB_CRASH_ROUNDS=200 cargo test --test system crash -- --nocapture

# OmenDB. `make run` and `make test` do everything on a fresh Debian machine with rustup and make.

DATA ?= data
LISTEN ?= 127.0.0.1:5433
PACKAGES := clang libclang-dev lld g++ pkg-config
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

.PHONY: run build test fmt clippy doc bench fuzz crash-long power-failure soak setup

run: build
	target/release/omendb serve --data $(DATA) --listen $(LISTEN)

build: setup
	cargo build --release --bin omendb

test: setup
	cargo build --bin omendb
	cargo test --lib --tests
	cargo test --bench main

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

# What is inside the server, by criterion: `make bench BENCH=index/` runs one group.
bench: setup
	cargo bench --bench main -- $(BENCH)

# Each target for FUZZ_SECONDS, one after the other; a crash ends it and leaves its input in fuzz/artifacts.
FUZZ_SECONDS ?= 600
FUZZ_TARGETS ?= wire copy sql keys rows text binary
HOST := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')

fuzz: setup
	cd fuzz && cargo build --release --target $(HOST)
	@cd fuzz && for target in $(FUZZ_TARGETS); do \
	  mkdir -p corpus/$$target artifacts/$$target; \
	  echo "fuzz $$target: $(FUZZ_SECONDS) s"; \
	  target/$(HOST)/release/$$target corpus/$$target seeds/$$target -dict=dictionaries/sql.dict -max_total_time=$(FUZZ_SECONDS) \
	    -artifact_prefix=artifacts/$$target/ -timeout=20 -rss_limit_mb=4096 -print_final_stats=1 || exit 1; done

# Kills the server at random moments 200 times; CI does it 10 times within `make test`.
crash-long: setup
	OMENDB_CRASH_ROUNDS=200 cargo test --test system crash -- --nocapture

# Stops the machine under the server, as far as its disk can tell; as root, with psycopg.
power-failure: build
	python3 tests/power_failure.py --rounds 10

# What production does to a table with vector indexes, for SOAK_SECONDS; with psycopg and numpy.
SOAK_SECONDS ?= 600
SOAK_SEED ?= 1

soak: build
	python3 tests/soak.py --seconds $(SOAK_SECONDS) --seed $(SOAK_SEED)

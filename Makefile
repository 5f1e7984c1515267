# The same words on a desk and in CI. `make run` and `make test` need a Rust toolchain and nothing else.
.DEFAULT_GOAL := help
.PHONY: help run test check bench browser instructions deploy-check sample-data

help: ## what there is to make
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 24

run: ## build, and attribute the sample data: a table of results, the ledger, and a page to open
	cargo build --workspace
	target/debug/attributary run pipelines/nightly.toml
	@echo "a report to open:"
	@target/debug/attributary report out/nightly/current

test: ## every test
	cargo test --workspace --all-targets --quiet
	cargo test --workspace --doc --quiet
	cargo test --workspace --features otel --test e2e --quiet otel::

check: ## formatting, lints, documentation
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features --quiet -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --no-deps --quiet

bench: ## measure beside DuckDB and polars, and write bench/RESULTS.md; BENCH="--only A --rounds 5" and the like
	cargo build --release --workspace --bins --examples
	python3 bench/run.py $(BENCH)

browser: ## open reports in a headless Chromium, and compare their figures with the tables; needs chromium, npm, python3
	cargo build --workspace
	sh tests/browser/run.sh

instructions: ## count the instructions of a fixed run, and fail where they grew; needs valgrind
	python3 bench/instructions.py

deploy-check: ## verify the units, the crontab line, the DAG and the container file of deploy/; needs python3, systemd-analyze
	cargo build --workspace
	sh deploy/check.sh

sample-data: ## write sample-data anew; a test keeps it as it is
	sh sample-data/make.sh

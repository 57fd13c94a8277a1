# The two commands a new user needs are `make demo` and `make test`; the rest is for working on the project.
# Everything stays inside this folder: .venv, target and demo-out.

CARGO ?= cargo
# One place for all builds, so that the bundled HDF5 is compiled once for tests, lints, docs and examples.
TARGET := $(or $(CARGO_TARGET_DIR),target)
PYTHON_BIN := .venv/bin/python
EXAMPLES := $(patsubst examples/%.rs,%,$(wildcard examples/*.rs))

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

.PHONY: setup setup-demo setup-peers
setup: ## Make .venv with all Python packages (cmake for HDF5, readers for the tests)
	@scripts/setup.sh test

setup-demo:
	@scripts/setup.sh demo

setup-peers:
	@scripts/setup.sh peers

.PHONY: demo
demo: setup-demo ## Compact a real array to .npy and HDF5, restore it, compare with NumPy
	$(CARGO) build --locked --release
	@COMPACT="$(TARGET)/release/compact" scripts/demo.sh

.PHONY: reports
reports: setup-demo ## Rebuild the example reports in docs/reports, and check their verdicts
	$(CARGO) build --locked --release
	@COMPACT="$(TARGET)/release/compact" scripts/make_reports.sh

.PHONY: test test-full test-format-page test-report-page test-library test-without-c
test: test-full test-format-page test-report-page test-library test-without-c ## Run every test, interoperability with Python included

test-full: setup
	NDCOMPACT_REQUIRE_PYTHON=1 $(CARGO) test --locked --all-features

# The decoder that docs/format.md gives for those who have not this program.
test-format-page: setup
	$(CARGO) build --locked --all-features
	$(PYTHON_BIN) scripts/check_format_page.py --binary "$(TARGET)/debug/compact"

# Report pages in a headless Chromium, which npm brings into .venv/browser. Where that cannot be had the check says so and is
# left out: everything else about the pages is tested without a browser.
test-report-page: setup
	$(CARGO) build --locked --all-features
	@scripts/setup-browser.sh || echo "test-report-page: no Chromium to be had here"
	@COMPACT="$(TARGET)/debug/compact" scripts/make_reports.sh --verdicts
	$(PYTHON_BIN) tests/interop/page_in_browser.py demo-out/reports/*.html

test-library: setup
	NDCOMPACT_REQUIRE_PYTHON=1 $(CARGO) test --locked --no-default-features

# The library alone needs no C compiler and no cmake: here neither can be run. Its own folder, so that nothing built
# before can hide a call; not optimised, because nothing is run.
test-without-c:
	CC=/bin/false CXX=/bin/false CMAKE=/bin/false CARGO_PROFILE_DEV_OPT_LEVEL=0 $(CARGO) build --locked --no-default-features --target-dir "$(TARGET)/without-c"

.PHONY: lint
lint: setup-demo ## Check formatting and lints, with all features and with none
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets --all-features -- -D warnings
	$(CARGO) clippy --locked --all-targets --no-default-features -- -D warnings

.PHONY: docs
docs: setup-demo ## Build the API documentation, warnings refused
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --all-features --no-deps

.PHONY: examples
examples: setup-demo ## Run every example
	@set -e; for name in $(EXAMPLES); do echo "== $$name"; $(CARGO) run --locked --quiet --example $$name; done

.PHONY: bench bench-memory bench-cold
bench: setup-demo ## Measure kernels, and whole runs against cp and NumPy
	$(CARGO) build --locked --release
	$(CARGO) bench --locked
	$(PYTHON_BIN) scripts/bench_vs_cp.py --binary "$(TARGET)/release/compact"
	$(PYTHON_BIN) scripts/bench_report.py --binary "$(TARGET)/release/compact"

bench-memory: setup-demo ## Measure peak memory on 8 GB inputs (writes up to 10 GB at a time)
	$(CARGO) build --locked --release
	$(PYTHON_BIN) scripts/bench_memory.py --binary "$(TARGET)/release/compact"

.PHONY: bench-bundle
bench-bundle: setup-demo ## Measure bundles against tarfile, xz and GNU tar (6 GB of disk; most of an hour is tarfile's)
	$(CARGO) build --locked --release --bins --example bundle_items
	$(PYTHON_BIN) scripts/bench_bundle.py --compact "$(TARGET)/release/compact" --items "$(TARGET)/release/examples/bundle_items" --markdown

.PHONY: bench-cold
# FOLDER: where 12 GB are free; files that are there are used again.
bench-cold: setup-peers ## Measure one part of large files from a cold process, 20 ms at most (FOLDER=folder, writes 12 GB)
	$(CARGO) build --locked --release
	test -f "$(FOLDER)/zstd.h5" || $(PYTHON_BIN) scripts/make_large_hdf5.py "$(FOLDER)" --only zstd
	$(PYTHON_BIN) scripts/bench_cold.py "$(FOLDER)" --compact "$(TARGET)/release/compact"

.PHONY: bench-coding bench-coding-speed test-bounds
# DATA: a folder of .npy files, one array each.
bench-coding: setup-peers ## Sizes of coded arrays of DATA=folder beside other compressors, bounds checked
	$(CARGO) build --locked --release
	$(PYTHON_BIN) scripts/bench_coding.py --binary "$(TARGET)/release/compact" --data "$(DATA)" --markdown

bench-coding-speed: setup-peers ## Speed of coding the arrays of DATA=folder beside SZ3 and zfp
	$(PYTHON_BIN) scripts/bench_coding.py --data "$(DATA)" --speed --markdown

test-bounds: setup-peers ## Try 10^9 values against their bounds, and other compressors with a sample of them
	NDCOMPACT_BOUND_VALUES=1e9 $(CARGO) test --locked --release --test bounds no_bound -- --nocapture
	NDCOMPACT_BOUND_DUMP="$(CURDIR)/demo-out/adversarial" $(CARGO) test --locked --release --test bounds no_bound -- --nocapture
	$(PYTHON_BIN) scripts/peer_violations.py demo-out/adversarial

.PHONY: clean
clean: ## Remove everything that was built, .venv included
	$(CARGO) clean
	rm -rf .venv demo-out

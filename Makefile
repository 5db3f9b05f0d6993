# Commands for people who try livechat or work on it. `make run` starts the server. `make test` installs what is missing and runs
# every test.

# tests/tools.sh installs Node.js here if the machine has none or an old one.
export PATH := $(CURDIR)/target/node/bin:$(PATH)

.PHONY: test test-openapi test-gateway test-python graphiql tools check counts counts-accept rolling peers performance socket-memory fuzz fuzz-build deny cargo-deny advisories schema settings chat-documents client-documents docs release-record

.PHONY: run

# Builds the server without optimization, which takes a third of the time, and starts it. It prints what to open. If GraphiQL cannot be
# built, the page /graphiql loads it from a CDN.
run:
	@if ! command -v npm >/dev/null; then echo "Node.js is not installed, so GraphiQL will not be embedded."; \
	  else $(MAKE) --no-print-directory graphiql/dist/files/graphiql.html || echo "Going on without an embedded GraphiQL."; fi
	cargo run --locked

# Runs every test. The tests of the packages for clients use the binary that the Rust tests were built with. Most Rust tests wait for
# timers and other processes, so twice as many of them run at once as there are cores.
test: tools graphiql
	RUST_TEST_THREADS=$$((2 * $$(nproc))) cargo test --locked --workspace
	cd examples/original-website && npm ci --no-audit --no-fund --ignore-scripts
	cd examples/react-page && npm ci --no-audit --no-fund --ignore-scripts && npm run build
	cd tests/clients && npm ci --no-audit --no-fund && npm test
	cd clients/js && npm ci --no-audit --no-fund --ignore-scripts && npm test
	$(MAKE) --jobs --output-sync test-openapi test-gateway test-python docs

# Tests that mostly wait, so they run together.
test-openapi:
	cd tests/openapi && npm ci --no-audit --no-fund --ignore-scripts && npm test
test-gateway:
	cd tests/gateway && npm ci --no-audit --no-fund --ignore-scripts && npm test
test-python:
	tests/python/run.sh

# Builds GraphiQL. The next cargo build embeds it. Needs Node.js.
graphiql: tools graphiql/dist/files/graphiql.html

graphiql/dist/files/graphiql.html: graphiql/package-lock.json graphiql/vite.config.js graphiql/graphiql.html $(wildcard graphiql/src/*)
	cd graphiql && npm ci --no-audit --no-fund && npm run build

.PHONY: dist test-dist

# Builds the artifacts of a release into dist/: docs/operations.md ("Install") says what they are. Takes a quarter of an hour.
dist: graphiql/dist/files/graphiql.html
	packaging/dist.sh

# Installs, starts, upgrades and removes the artifacts in dist/. Needs root. Not part of `make test`.
test-dist: tools
	packaging/test.sh

# Installs missing tools for the tests: Redis, nginx, Node.js, Chromium, Firefox, Prometheus, Schemathesis, Python clients, and the
# checkers for deploy/ and .github/.
tools:
	tests/tools.sh

# Checks formatting, lints and documentation.
check:
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --all-features --no-deps --document-private-items

# Counts the instructions of hot operations in the test build, and compares them with bench/counts.json.
counts: tools
	cargo bench --locked --profile dev --bench counts

# Updates bench/counts.json, after an improvement or a justified increase.
counts-accept: tools
	cargo bench --locked --profile dev --bench counts -- accept

# Cuts connections during a rolling restart between this build and one that adds to the data what a newer version may add. Both are
# test builds; the second cargo command puts the binary without the feature back in its place. Takes some minutes; CI does not run it.
rolling: tools
	cargo build --locked --features test-next-version
	cp $${CARGO_TARGET_DIR:-target}/debug/livechat $${CARGO_TARGET_DIR:-target}/livechat-next
	NEXT_LIVECHAT=$$(realpath $${CARGO_TARGET_DIR:-target}/livechat-next) cargo bench --locked --profile dev --bench cuts -- rolling

# Installs the servers in JavaScript that livechat is compared with. Needs Node.js, which `make tools` installs.
peers:
	cd bench/peers && npm ci --no-audit --no-fund --ignore-scripts

# Compares livechat with other servers, which takes a quarter of an hour on an otherwise idle machine, and writes
# docs/performance.md and docs/plots. Needs redis-server.
performance: peers
	cargo bench --locked --bench scenarios -- report > target/performance.jsonl

# Measures the memory of an idle socket over plain HTTP, TLS and HTTP/2, in half a minute.
socket-memory:
	cargo test --locked --test all -- --ignored --nocapture memory_of_idle_sockets

# Runs each fuzz target for a few seconds. tests/fuzz/run.sh explains longer runs.
fuzz:
	tests/fuzz/run.sh 6

fuzz-build:
	tests/fuzz/run.sh 0

# Checks licenses, duplicates and sources of the dependencies.
deny: cargo-deny
	cargo deny --workspace --config tests/deny.toml check bans licenses sources

# Builds cargo-deny without optimization, which takes a minute or two instead of many.
cargo-deny:
	cargo deny --version >/dev/null 2>&1 || CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=0 \
	  cargo install --quiet --locked --debug --version 0.20.2 cargo-deny

# Checks the dependencies for known vulnerabilities. Needs the advisory databases of RustSec and npm, and fails without them.
advisories: cargo-deny
	tests/advisories.sh

# Builds the documentation as a site in target/docs-site/html. A link that leads nowhere fails the build. Needs Python 3.11.
docs:
	cmp -s docs/site/requirements.txt target/docs/installed.txt || { python3 -m venv --clear target/docs && \
	  target/docs/bin/pip install --quiet --disable-pip-version-check --requirement docs/site/requirements.txt && \
	  cp docs/site/requirements.txt target/docs/installed.txt; }
	target/docs/bin/python docs/site/build.py

# Updates schema.graphql after a change of the schema.
schema:
	cargo run --locked --quiet -- schema > schema.graphql

# Updates the list of the chat page's documents, which always run, after a change of src/web/chat/operations.js.
chat-documents: tools
	node tests/clients/support/chat_documents.js > src/web/chat-documents.json

# The same for the client package, after a change of clients/js/src/operations.js.
client-documents: tools
	node clients/js/test/support/documents.js > src/web/client-documents.json

# Writes what this version promises to tests/releases/, for the comparison with later versions. A step of each release.
release-record:
	RECORD_RELEASE=1 cargo test --locked --test all -- settings_and_metrics_of_the_last_release

# Updates .env.example and docs/operations.md after a change of src/config/settings.rs.
settings:
	UPDATE_DOCS=1 cargo test --locked --test all -- documented_settings

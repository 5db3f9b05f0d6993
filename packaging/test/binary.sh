#!/bin/sh
# The binary needs nothing but an old glibc, contains no path of the machine that built it, and knows its debug information.
set -eu
. packaging/test/functions.sh

tar -xzf "dist/$NAME.tar.gz" -C "$scratch"
binary=$scratch/$NAME/livechat
newest=$(objdump -T "$binary" | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -1)
echo "needs $newest and$(objdump -p "$binary" | sed -n 's/.*NEEDED *//p' | tr '\n' ' ' | sed 's/^/ /')"
[ "$(printf '%s\nGLIBC_2.28\n' "$newest" | sort -V | tail -1)" = GLIBC_2.28 ] || fail "the binary needs $newest"
! objdump -p "$binary" | sed -n 's/.*NEEDED *//p' | grep -qvE '^(libc|libm|libdl|libpthread|ld-linux-x86-64)\.so' ||
  fail "the binary needs more than libc6"
! grep -qaF -e "$PWD/" -e "${CARGO_HOME:-$HOME/.cargo}/" "$binary" || fail "the binary contains paths of this machine"
objdump -h "$binary" | grep -q gnu_debuglink
objdump --dwarf=links "$binary" 2>/dev/null | grep -q "$NAME.debug"
objdump -h "dist/$NAME.debug" | grep -q debug_line

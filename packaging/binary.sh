#!/bin/sh
# Builds the binary for old systems, and moves its debug information to a file of its own. packaging/dist.sh calls it.
set -eu

# The oldest glibc that the binary runs on: that of Debian 10, Ubuntu 20.04 and RHEL 8. Zig links for it.
glibc=2.28
profile=${DIST_PROFILE:-dist}

# Without these, panic messages would contain the paths of this machine.
RUSTFLAGS="--remap-path-prefix=$PWD=. --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo"
export RUSTFLAGS
cargo zigbuild --locked --profile "$profile" --target "$TARGET.$glibc"

folder=$profile
[ "$profile" != dev ] || folder=debug
built=target/$TARGET/$folder/livechat
objcopy --only-keep-debug --compress-debug-sections=zlib "$built" "$STAGE/$NAME.debug"
objcopy --strip-all --add-gnu-debuglink="$STAGE/$NAME.debug" "$built" "$STAGE/livechat"

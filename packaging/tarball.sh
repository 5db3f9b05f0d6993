#!/bin/sh
# Packs the binary and what belongs to it into an archive. packaging/dist.sh calls it.
set -eu

folder=$STAGE/tarball/$NAME
rm -rf "$STAGE/tarball"
mkdir -p "$folder/systemd"
cp -r "$STAGE/livechat" "$STAGE/completions" "$STAGE/man" "$STAGE/licenses" "$folder"
cp -r docs README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT .env.example "$folder"
cp deploy/systemd/livechat.service "$folder/systemd"
packaging/reproducible_tar.sh "$STAGE/tarball" "$NAME" "$OUT/$NAME.tar.gz"

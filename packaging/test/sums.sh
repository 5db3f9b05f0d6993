#!/bin/sh
# Every artifact is there, and is the one that was built.
set -eu
cd dist
sha256sum --check --quiet SHA256SUMS
for artifact in "$NAME.tar.gz" "$NAME.debug" "$NAME.oci.tar" "livechat_$VERSION-1_amd64.deb" "livechat-$VERSION.tgz" \
  "livechat-$VERSION.cdx.json"; do
  grep -q " $artifact\$" SHA256SUMS
done

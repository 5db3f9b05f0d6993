#!/bin/sh
# Packs the Helm chart. packaging/dist.sh calls it.
set -eu
packaging/reproducible_tar.sh deploy/helm livechat "$OUT/livechat-$VERSION.tgz"

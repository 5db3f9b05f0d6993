#!/bin/sh
# Packs the same files into the same bytes: reproducible_tar.sh PARENT FOLDER ARCHIVE
set -eu
tar --create --directory "$1" --format=ustar --sort=name --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
  --mtime="@$SOURCE_DATE_EPOCH" "$2" | gzip --no-name --best >"$3"

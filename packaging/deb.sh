#!/bin/sh
# Packs the Debian package. packaging/dist.sh calls it.
set -eu

work=$STAGE/deb
rm -rf "$work"
mkdir -p "$work"
cp -r packaging/debian "$STAGE/livechat" "$STAGE/completions" "$STAGE/man" "$STAGE/licenses" docs README.md CHANGELOG.md "$work"
mv "$work/debian/livechat.env" "$work/livechat.env"
cp .env.example "$work/env.example"
mkdir "$work/bash"
cp "$STAGE/completions/livechat.bash" "$work/bash/livechat"

# The same unit, with a user that exists while the service is stopped: it owns the data and can run commands.
sed -e '1,2d' -e 's|/usr/local/bin/|/usr/bin/|' -e 's|^DynamicUser=yes|User=livechat|' \
  -e 's|^# systemd creates the user.*|# The package creates the user.|' \
  deploy/systemd/livechat.service >"$work/debian/livechat.service"

copyright=$(sed -n 's/^Copyright (c) //p' LICENSE-MIT)
sed '1,4d; s/^$/./; s/^/ /' LICENSE-MIT >"$work/mit"
sed -i -e "s|@COPYRIGHT@|$copyright|" -e "/@MIT@/r $work/mit" -e '/@MIT@/d' "$work/debian/copyright"

cat >"$work/debian/changelog" <<END
livechat ($VERSION-1) unstable; urgency=medium

  * Release $VERSION. See changelog.gz.

 -- $(sed -n 's/^Maintainer: //p' packaging/debian/control)  $(date --utc --rfc-email --date="@$SOURCE_DATE_EPOCH")
END

(cd "$work" && debian/rules binary >"$STAGE/deb.log" 2>&1) || { cat "$STAGE/deb.log"; exit 1; }
mv "$STAGE/livechat_$VERSION-1_amd64.deb" "$OUT"

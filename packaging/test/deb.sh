#!/bin/sh
# The Debian package can be installed, upgraded, removed and purged on each Debian, and its service runs there.
set -eu
. packaging/test/functions.sh

package=dist/livechat_$VERSION-1_amd64.deb
lintian --allow-root --fail-on error "$package"

# The same package as an older release.
dpkg-deb --raw-extract "$package" "$scratch/old"
sed -i 's/^Version: .*/Version: 0.0.1-1/' "$scratch/old/DEBIAN/control"
dpkg-deb --root-owner-group -Znone --build "$scratch/old" "$scratch/old.deb" >/dev/null

files() {
  # Leaves out the package manager's own files, and copies that programs make of the list of users.
  find "$root" -xdev | grep -vE '/(var/(lib/dpkg|log|cache)|etc/[a-z]+-$|proc|run)' | sort
}

in_root() {
  chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C "$@"
}

install_package() {
  cp "$1" "$root/tmp/livechat.deb"
  in_root dpkg --force-confold -i /tmp/livechat.deb >"$scratch/dpkg.log" 2>&1 || { cat "$scratch/dpkg.log"; exit 1; }
  rm "$root/tmp/livechat.deb"
}

# The program of bullseye needs control groups of its own, which it does not have here.
verify_unit() {
  [ "$release" = bullseye ] || in_root systemd-analyze verify livechat.service
}

# Runs the command of the unit as its user and with its settings.
serve() {
  unit=$(in_root sh -c 'cat /lib/systemd/system/livechat.service')
  command=$(echo "$unit" | sed -n 's/^ExecStart=//p')
  user=$(echo "$unit" | sed -n 's/^User=//p')
  # shellcheck disable=SC2046
  try chroot --userspec="$user:$user" "$root" env -i -C /var/lib/livechat \
    $(echo "$unit" | sed -n 's/^Environment=//p') $(grep -v '^#' "$root/etc/livechat.env") "$command"
}

for release in bullseye bookworm trixie; do
  debian "$release"
  files >"$scratch/before"
  install_package "$scratch/old.deb"
  [ "$(stat -c '%U %a' "$root/etc/livechat.env")" = "root 600" ]
  [ "$(in_root stat -c '%U %G %a' /var/lib/livechat)" = "livechat livechat 700" ]
  [ -L "$root/etc/systemd/system/multi-user.target.wants/livechat.service" ] || fail "the service is not enabled"
  verify_unit
  echo "# mine" >>"$root/etc/livechat.env"
  serve

  install_package "$package"
  in_root dpkg --status livechat | grep -qx "Version: $VERSION-1"
  tail -1 "$root/etc/livechat.env" | grep -q mine
  in_root livechat --version | grep -F "livechat $VERSION"
  verify_unit
  serve

  in_root dpkg --remove livechat >/dev/null 2>&1
  [ -f "$root/etc/livechat.env" ] && [ -f "$root/var/lib/livechat/livechat.db" ] || fail "removal deleted settings or data"
  in_root dpkg --purge livechat >/dev/null 2>&1
  files >"$scratch/after"
  diff "$scratch/before" "$scratch/after" || fail "the package left files on $release"
  echo "installed, upgraded and purged on $release"
done

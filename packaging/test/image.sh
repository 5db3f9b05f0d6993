#!/bin/sh
# The image is valid, and its server runs from its layers alone, as its user, on a file system that it cannot change.
set -eu
. packaging/test/functions.sh

archive=$PWD/dist/$NAME.oci.tar
skopeo inspect --config "docker-archive:$archive" >/dev/null
# Verifies every digest.
skopeo copy --quiet "oci-archive:$archive" "dir:$scratch/image"
mkdir "$scratch/layers" "$scratch/root"
for layer in $(skopeo inspect --format '{{range .Layers}}{{println .}}{{end}}' "oci-archive:$archive"); do
  tar -xzpf "$scratch/image/${layer#sha256:}" -C "$scratch/layers"
done
echo "files: $(find "$scratch/layers" -type f | sed "s|$scratch/layers||" | grep -v /usr/share/doc | tr '\n' ' ')"

value() {
  python -c "import json, sys; print(eval('it' + sys.argv[2], {'it': json.load(open(sys.argv[1]))['config']}))" \
    "$scratch/config.json" "$1"
}
skopeo inspect --raw --config "oci-archive:$archive" >"$scratch/config.json"
[ "$(value '["User"]')" = 65532:65532 ]
[ "$(value '["Volumes"]')" = "{'/data': {}}" ]
[ "$(value '["Healthcheck"]["Test"]')" = "['CMD', '/usr/local/bin/livechat', 'healthcheck']" ]
environment=$(value '["Env"]' | tr -d "[],'")

mkdir "$scratch/layers/proc" "$scratch/layers/dev"
root=$scratch/root
mount --bind "$scratch/layers" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=700,uid=65532,gid=65532 tmpfs "$root/data"
[ "$(stat -c '%u %a' "$scratch/layers/data")" = "65532 700" ]
mount -o remount,ro,bind "$root"
# shellcheck disable=SC2086
set -- env -i $environment "$(command -v chroot)" --userspec=65532:65532 "$root" /usr/local/bin/livechat
while_running="$* healthcheck"
try "$@"
[ -f "$root/data/livechat.db" ]

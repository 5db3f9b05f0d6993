#!/bin/sh
# The archive has what it should, and its server runs on the oldest Debian that can be had.
set -eu
. packaging/test/functions.sh

debian bullseye
tar -xzf "dist/$NAME.tar.gz" -C "$root/opt"
folder=$root/opt/$NAME
for file in README.md docs/operations.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT .env.example systemd/livechat.service licenses/crates.md \
  licenses/graphiql.md licenses/rust-standard-library.html; do
  [ -s "$folder/$file" ] || fail "$file is missing"
done
bash -n "$folder/completions/livechat.bash"
grep -q '^#compdef livechat' "$folder/completions/_livechat"
grep -q '^complete -c livechat' "$folder/completions/livechat.fish"
warnings=$(LC_ALL=C.UTF-8 man --warnings --local-file "$folder/man/livechat.1" 2>&1 >"$scratch/man.txt")
[ -z "$warnings" ] || fail "$warnings"
grep -q healthcheck "$scratch/man.txt"
grep -q '^## tokio ' "$folder/licenses/crates.md" || grep -q 'tokio [0-9.]* (MIT)' "$folder/licenses/crates.md"
grep -q '^## graphiql ' "$folder/licenses/graphiql.md"

chroot "$root" "/opt/$NAME/livechat" --version | grep -F "livechat $VERSION"
mkdir "$root/srv/chat"
chown 65534:65534 "$root/srv/chat"
try chroot --userspec=65534:65534 "$root" env -i -C /srv/chat "/opt/$NAME/livechat"

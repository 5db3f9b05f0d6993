#!/bin/sh
# Builds the fuzz targets and runs each for some seconds: `tests/fuzz/run.sh [seconds] [target…]`. With 0 seconds, it only builds.
#
# The default build is quick to compile and slow to run; use PROFILE=release for long runs.
#
# The flags are those of cargo-fuzz without a sanitizer, so the stable compiler suffices; with cargo-fuzz installed,
# `cargo fuzz run --fuzz-dir tests/fuzz --sanitizer none livechat-fuzz` works, too. A finding is written to tests/fuzz/found and
# fails the run. New inputs are not added to the corpus.
set -eu
cd "$(dirname "$0")"

seconds="${1:-10}"
[ $# -eq 0 ] || shift
targets="${*:-$(ls corpus)}"
host="$(rustc -vV | sed -n 's/^host: //p')"

# With an explicit target, build scripts and macros are built without the flags and shared with other builds.
RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
  -Cllvm-args=-sanitizer-coverage-trace-compares -Cllvm-args=-simplifycfg-branch-fold-threshold=0" \
  cargo build --locked --profile "${PROFILE:-dev}" --target "$host" --target-dir ../../target
case "${PROFILE:-dev}" in dev) built=debug ;; *) built="$PROFILE" ;; esac
program="../../target/$host/$built/livechat-fuzz"
[ "$seconds" != 0 ] || exit 0

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
mkdir -p found
for target in $targets; do
  mkdir "$work/$target"
  echo "$target"
  if ! TARGET="$target" "$program" -max_total_time="$seconds" -max_len=20000 -timeout=10 -rss_limit_mb=1024 \
    -artifact_prefix="found/$target-" "$work/$target" "corpus/$target" >"$work/log" 2>&1; then
    cat "$work/log"
    echo "$target failed; its input is in tests/fuzz/found" >&2
    exit 1
  fi
  tail -n 1 "$work/log"
done

#!/bin/sh
# The chart renders, and what it renders is valid.
set -eu
target/lint/bin/python tests/deploy/chart.py "dist/livechat-$VERSION.tgz" >/dev/null
tar -xzOf "dist/livechat-$VERSION.tgz" livechat/Chart.yaml | grep -qx "version: $VERSION"

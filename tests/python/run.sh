#!/bin/sh
# Runs the tests of the Python clients, against the binary that the other tests were built with. tests/tools.sh installs what
# they need.
set -eu
cd "$(dirname "$0")"
for group in gql generated; do
  # Beside the tests stands what they share.
  PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=. "../../target/python/$group/bin/python" -m unittest discover --start-directory "$group"
done

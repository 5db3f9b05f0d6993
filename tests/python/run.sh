#!/bin/sh
# Runs the tests of the Python clients, and of identities that PyJWT signs, against the debug build of the server. tests/tools.sh installs their dependencies.
set -eu
cd "$(dirname "$0")"
for group in gql generated identity; do
  # The shared module is in this folder.
  PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=. "../../target/python/$group/bin/python" -m unittest discover --start-directory "$group"
done

#!/bin/sh
# The bill of materials is valid, and lists crates and npm packages.
set -eu
python - "dist/livechat-$VERSION.cdx.json" <<'END'
import json, sys
from pathlib import Path
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

text = Path(sys.argv[1]).read_text()
problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
assert problem is None, problem
names = {part["purl"].split("@")[0] for part in json.loads(text)["components"]}
assert {"pkg:cargo/tokio", "pkg:generic/sqlite", "pkg:npm/graphiql", "pkg:npm/react"} <= names, names
print(f"{len(names)} parts")
END

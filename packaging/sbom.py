"""Prints the software bill of materials (CycloneDX 1.6, JSON): sbom.py VERSION SECONDS, with the time of the release."""

import json
import sys
import uuid
from datetime import UTC, datetime

from parts import Part, crates, npm_packages, sqlite


def component(part: Part) -> dict:
    hashes = [{"alg": part.hash[0], "content": part.hash[1]}] if part.hash else []
    return {
        "type": "library",
        "bom-ref": part.purl,
        "name": part.name,
        "version": part.version,
        "licenses": [{"expression": part.license}],
        "hashes": hashes,
        "purl": part.purl,
    }


version, seconds = sys.argv[1], int(sys.argv[2])
linked = crates()
parts = [component(part) for part in [*linked, sqlite(linked), *npm_packages()]]
livechat = {
    "type": "application",
    "bom-ref": f"pkg:cargo/livechat@{version}",
    "name": "livechat",
    "version": version,
    "licenses": [{"expression": "MIT OR Apache-2.0"}],
}
# The same parts get the same serial number.
serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([livechat, parts]))
json.dump(
    {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {"timestamp": datetime.fromtimestamp(seconds, UTC).isoformat(), "component": livechat},
        "components": parts,
        "dependencies": [{"ref": livechat["bom-ref"], "dependsOn": [part["bom-ref"] for part in parts]}],
    },
    sys.stdout,
    indent=1,
)
print()

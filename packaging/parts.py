"""What a release is made of: the crates that are linked into the binary, and the npm packages in its GraphiQL."""

import base64
import gzip
import json
import re
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
TARGET = "x86_64-unknown-linux-gnu"
# The licenses of the npm packages, which the build of GraphiQL writes: a heading per package that is in the bundle.
GRAPHIQL_LICENSES = ROOT / "graphiql/dist/files/graphiql/licenses.md"


@dataclass(frozen=True, order=True)
class Part:
    name: str
    version: str
    license: str
    purl: str
    hash: tuple[str, str] | None = None  # algorithm, hexadecimal digest
    folder: Path | None = None


def crates() -> list[Part]:
    """Returns the crates that the server needs at run time, and the macros that wrote parts of it."""
    command = ["cargo", "metadata", "--locked", "--format-version=1", f"--filter-platform={TARGET}"]
    metadata = json.loads(subprocess.check_output(command, cwd=ROOT))
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = metadata["workspace_default_members"][0]
    found, pending = {root}, [root]
    while pending:
        for dependency in nodes[pending.pop()]["deps"]:
            is_linked = any(kind["kind"] is None for kind in dependency["dep_kinds"])
            if is_linked and dependency["pkg"] not in found:
                found.add(dependency["pkg"])
                pending.append(dependency["pkg"])
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    checksums = {(package["name"], package["version"]): package.get("checksum") for package in lock["package"]}
    return sorted(
        Part(
            name=(name := packages[id]["name"]),
            version=(version := packages[id]["version"]),
            license=packages[id]["license"].replace(" / ", " OR ").replace("/", " OR "),
            purl=f"pkg:cargo/{name}@{version}",
            hash=("SHA-256", checksums[name, version]),
            folder=Path(packages[id]["manifest_path"]).parent,
        )
        for id in found - {root}
    )


def sqlite(crates: list[Part]) -> Part:
    """Returns the SQLite that one of these crates compiles."""
    crate = next(crate for crate in crates if crate.name == "libsqlite3-sys")
    header = (crate.folder / "sqlite3/sqlite3.h").read_text()
    version = re.search(r'^#define SQLITE_VERSION +"(.+)"', header, re.MULTILINE)[1]
    return Part(name="sqlite", version=version, license="blessing", purl=f"pkg:generic/sqlite@{version}")


def npm_packages() -> list[Part]:
    """Returns the npm packages that are bundled into GraphiQL."""
    lock = json.loads((ROOT / "graphiql/package-lock.json").read_text())["packages"]
    locked = {(path.split("node_modules/")[-1], package["version"]): package for path, package in lock.items() if path}
    headings = re.findall(r"^## (\S+) - (\S+) \((.+)\)$", graphiql_licenses(), re.MULTILINE)
    return sorted(
        Part(
            name=name,
            version=version,
            license=license,
            purl=f"pkg:npm/{name.replace('@', '%40')}@{version}",
            hash=sha512(locked[name, version]["integrity"]),
        )
        for name, version, license in set(headings)
    )


def graphiql_licenses() -> str:
    return gzip.decompress(GRAPHIQL_LICENSES.read_bytes()).decode()


def sha512(integrity: str) -> tuple[str, str]:
    algorithm, digest = integrity.split("-", 1)
    assert algorithm == "sha512", integrity
    return "SHA-512", base64.b64decode(digest).hex()

"""Writes the licenses of everything in the binary into a folder: licenses.py FOLDER."""

import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import ziglang
from parts import ROOT, Part, crates, graphiql_licenses

PREFIXES = ("LICEN", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE")
INTRODUCTION = "The crates that are linked into livechat, with their licenses. A text that several crates have stands here once."


def texts(crate: Part) -> list[str]:
    """Returns the license files of a crate. If it has none, returns the text that its manifest names."""
    files = [path for path in sorted(crate.folder.iterdir()) if path.is_file() and path.name.upper().startswith(PREFIXES)]
    if files:
        return [path.read_text(errors="replace").strip() for path in files]
    if crate.license == "Apache-2.0":
        return [(ROOT / "LICENSE-APACHE").read_text().strip()]
    text = (ROOT / "packaging/license-texts" / f"{crate.license}.txt").read_text().strip()
    return [f"Copyright (c) the authors of {crate.name}\n\n{text}"]


def crate_licenses() -> str:
    users = defaultdict(list)
    for crate in crates():
        for text in texts(crate):
            users[text].append(f"{crate.name} {crate.version} ({crate.license})")
    sections = [f"## {', '.join(names)}\n\n```text\n{text}\n```\n" for text, names in sorted(users.items(), key=lambda it: it[1])]
    return "\n".join(["# Licenses of crates", "", INTRODUCTION, "", *sections])


folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
(folder / "crates.md").write_text(crate_licenses())
(folder / "graphiql.md").write_text(graphiql_licenses())
sysroot = subprocess.check_output(["rustc", "--print", "sysroot"], text=True, cwd=ROOT).strip()
zig = Path(ziglang.__file__).parent
for source, name in [
    (f"{sysroot}/share/doc/rust/COPYRIGHT-library.html", "rust-standard-library.html"),
    # What Zig links into the binary.
    (zig / "LICENSE", "zig-compiler-rt.txt"),
    (zig / "lib/libunwind/LICENSE.TXT", "libunwind.txt"),
]:
    shutil.copyfile(source, folder / name)

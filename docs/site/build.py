"""Builds the documentation as a site: collects the pages, rewrites links to source files, and runs Zensical.

Pages keep their paths, so the links between them work here as they do on GitHub. A file that is not a page, and that a page links
to, becomes a page with its text, so the site is complete without a network. A link that leads nowhere fails the build.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OUTPUT = ROOT / "target/docs-site"
PAGES = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "docs/**/*.md", "clients/*/*.md", "examples/**/*.md"]
PICTURES = ["docs/**/*.png", "docs/**/*.svg"]
LANGUAGES = {"conf": "nginx", "example": "sh", "graphql": "graphql", "service": "ini", "Dockerfile": "docker"}

# Blocks and spans of code, in which nothing is a link, and the targets of links.
LINK = re.compile(r"(?P<code>^(?P<fence>```+|~~~+).*?^(?P=fence)|`[^`\n]+`)|\]\((?P<target>[^)\s]+)\)", re.DOTALL | re.MULTILINE)

# A heading with something like a tag, which the site's own anchors leave out and GitHub's do not.
HEADING_WITH_TAG = re.compile(r"^#+ (?P<title>.*<.*)$", re.MULTILINE)


def with_anchor(heading: re.Match[str]) -> str:
    anchor = re.sub(r"[^\w -]", "", heading["title"].lower()).replace(" ", "-")
    return f"{heading[0]} {{ #{anchor} }}"


def tracked(path: str) -> list[Path]:
    """The committed files at or below a path."""
    listed = subprocess.run(["git", "ls-files", "-z", path], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [Path(name) for name in listed.split("\0") if name]


class Site:
    def __init__(self) -> None:
        self.pages = OUTPUT / "pages"
        shutil.rmtree(OUTPUT, ignore_errors=True)
        self.collected = {page for pattern in PAGES for page in self.files(pattern)}
        self.pictures = {picture for pattern in PICTURES for picture in self.files(pattern)}
        self.sources: dict[Path, str] = {}

    def files(self, pattern: str) -> list[Path]:
        found = (path.relative_to(ROOT) for path in ROOT.glob(pattern))
        return [path for path in found if "node_modules" not in path.parts]

    def build(self) -> None:
        for page in self.collected:
            self.write(page, self.rewritten(page))
        for picture in self.pictures:
            self.write(picture, (ROOT / picture).read_bytes())
        for name in ["site.css", "calculator.js"]:
            self.write(Path(name), Path(__file__).with_name(name).read_bytes())
        for source, text in self.sources.items():
            self.write(source, text)

    def write(self, path: Path, content: str | bytes) -> None:
        target = self.pages / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)

    def rewritten(self, page: Path) -> str:
        """A page with its links to files that are not pages replaced by links to pages with their text."""

        def replace(match: re.Match[str]) -> str:
            target = match["target"]
            if target is None or "://" in target or target.startswith(("#", "mailto:")):
                return match[0]
            path, _, anchor = target.partition("#")
            linked = Path(os.path.normpath(page.parent / path))
            if linked in self.collected or linked in self.pictures:
                return match[0]
            if (ROOT / linked / "README.md").is_file() and linked / "README.md" in self.collected:
                return f"]({os.path.relpath(linked / 'README.md', page.parent)})"
            if not (ROOT / linked).exists():
                # The build reports it.
                return match[0]
            return f"]({os.path.relpath(self.add_source(linked), page.parent)}{'#' if anchor else ''}{anchor})"

        return HEADING_WITH_TAG.sub(with_anchor, LINK.sub(replace, (ROOT / page).read_text()))

    def add_source(self, path: Path) -> Path:
        """Adds a page with the text of a file, or with links to the files of a folder. Returns its path."""
        # The site leaves out files whose names begin with a dot.
        page = Path("source", *(part.lstrip(".") for part in path.parts))
        page = page.with_name(f"{page.name}.md")
        if page in self.sources:
            return page
        self.sources[page] = ""
        if (ROOT / path).is_dir():
            files = ((file, self.add_source(file)) for file in tracked(str(path)))
            links = (f"- [{file.relative_to(path)}]({os.path.relpath(source, page.parent)})\n" for file, source in files)
            content = "".join(links)
        else:
            try:
                text = (ROOT / path).read_text()
            except UnicodeDecodeError:
                text = "(not text)"
            language = LANGUAGES.get(path.suffix.lstrip(".") or path.name, path.suffix.lstrip("."))
            content = f"~~~~~~ {language}\n{text.rstrip()}\n~~~~~~\n"
        self.sources[page] = f"---\nsearch:\n  exclude: true\n---\n\n# {path}\n\n{content}"
        return page


if __name__ == "__main__":
    Site().build()
    zensical = Path(sys.executable).parent / "zensical"
    config = OUTPUT / "zensical.toml"
    shutil.copyfile(Path(__file__).with_name("zensical.toml"), config)
    sys.exit(subprocess.run([zensical, "build", "--clean", "--strict", "--config-file", config]).returncode)

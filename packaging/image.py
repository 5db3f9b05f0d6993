"""Writes the container image: the binary and the libraries that it loads, as an archive in OCI layout that Docker loads, too.

packaging/dist.sh calls it. The libraries are those of the machine that it runs on. The same files give the same bytes."""

import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import tarfile
from datetime import UTC, datetime
from pathlib import Path

STAGE, OUT, NAME, VERSION = (os.environ[name] for name in ("STAGE", "OUT", "NAME", "VERSION"))
SECONDS = int(os.environ["SOURCE_DATE_EPOCH"])
CREATED = datetime.fromtimestamp(SECONDS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
# The user of deploy/Dockerfile and of the Kubernetes files.
USER = 65532
BINARY = "usr/local/bin/livechat"

CONFIG = {
    "User": f"{USER}:{USER}",
    "Env": ["PATH=/usr/local/bin", "LISTEN_ADDR=0.0.0.0:8001", "DATA_DIR=/data", "LOG_FORMAT=json"],
    "Entrypoint": [f"/{BINARY}"],
    "WorkingDir": "/",
    "ExposedPorts": {"8001/tcp": {}},
    "Volumes": {"/data": {}},
    "StopSignal": "SIGTERM",
    # Docker's addition to the OCI format. Times are in nanoseconds.
    "Healthcheck": {
        "Test": ["CMD", f"/{BINARY}", "healthcheck"],
        "Interval": 10_000_000_000,
        "Timeout": 3_000_000_000,
        "StartPeriod": 10_000_000_000,
    },
    "Labels": {
        "org.opencontainers.image.title": "livechat",
        "org.opencontainers.image.version": VERSION,
        "org.opencontainers.image.created": CREATED,
        "org.opencontainers.image.licenses": "MIT OR Apache-2.0",
    },
}


class Tar:
    """An archive in memory."""

    def __init__(self) -> None:
        self.buffer = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.buffer, mode="w", format=tarfile.USTAR_FORMAT)
        self.folders: set[str] = set()

    def entry(self, name: str, mode: int, owner: int = 0) -> tarfile.TarInfo:
        info = tarfile.TarInfo(name)
        info.mode, info.uid, info.gid, info.mtime = mode, owner, owner, SECONDS
        return info

    def folder(self, name: str, mode: int = 0o755, owner: int = 0) -> None:
        if name in self.folders or name in ("", "."):
            return
        self.folder(os.path.dirname(name))
        self.folders.add(name)
        info = self.entry(name, mode, owner)
        info.type = tarfile.DIRTYPE
        self.tar.addfile(info)

    def file(self, name: str, content: bytes, mode: int = 0o644) -> None:
        self.folder(os.path.dirname(name))
        info = self.entry(name, mode)
        info.size = len(content)
        self.tar.addfile(info, io.BytesIO(content))

    def bytes(self) -> bytes:
        self.tar.close()
        return self.buffer.getvalue()


def libraries() -> list[Path]:
    """Returns the paths at which the binary's loader looks for libraries, and the loader's own."""
    output = subprocess.check_output(["ldd", f"{STAGE}/livechat"], text=True)
    return sorted(Path(path) for path in re.findall(r"(/\S+) \(0x", output))


def base_layer() -> bytes:
    """Returns what changes rarely."""
    layer = Tar()
    layer.folder("data", 0o700, USER)
    layer.folder("tmp", 0o1777)
    layer.file("etc/passwd", f"root:x:0:0::/:/none\nlivechat:x:{USER}:{USER}::/data:/none\n".encode())
    layer.file("etc/group", f"root:x:0:\nlivechat:x:{USER}:\n".encode())
    layer.file("etc/nsswitch.conf", b"hosts: files dns\n")
    for path in libraries():
        layer.file(str(path).lstrip("/"), path.read_bytes(), 0o755)
    for package in ("libc6", "gcc-12-base", "gcc-14-base"):
        copyright = Path("/usr/share/doc") / package / "copyright"
        if copyright.exists():
            layer.file(str(copyright).lstrip("/"), copyright.read_bytes())
    return layer.bytes()


def livechat_layer() -> bytes:
    layer = Tar()
    layer.file(BINARY, Path(STAGE, "livechat").read_bytes(), 0o755)
    for path in sorted(Path(STAGE, "licenses").iterdir()):
        layer.file(f"usr/share/doc/livechat/licenses/{path.name}", path.read_bytes())
    return layer.bytes()


blobs: dict[str, bytes] = {}


def blob(media_type: str, content: bytes) -> dict:
    digest = hashlib.sha256(content).hexdigest()
    blobs[digest] = content
    return {"mediaType": f"application/vnd.oci.image.{media_type}", "digest": f"sha256:{digest}", "size": len(content)}


def as_json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


tars = [base_layer(), livechat_layer()]
layers = [blob("layer.v1.tar+gzip", gzip.compress(tar, mtime=0)) for tar in tars]
config = blob(
    "config.v1+json",
    as_json(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": CREATED,
            "config": CONFIG,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(tar).hexdigest()}" for tar in tars]},
            "history": [{"created": CREATED, "created_by": f"packaging/image.py: {what}"} for what in ("libraries", "livechat")],
        }
    ),
)
manifest = blob("manifest.v1+json", as_json({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                                             "config": config, "layers": layers}))  # fmt: skip
names = {"org.opencontainers.image.ref.name": VERSION, "io.containerd.image.name": f"docker.io/library/livechat:{VERSION}"}


def path(descriptor: dict) -> str:
    return f"blobs/{descriptor['digest'].replace(':', '/')}"


archive = Tar()
archive.file("oci-layout", as_json({"imageLayoutVersion": "1.0.0"}))
archive.file("index.json", as_json({"schemaVersion": 2, "manifests": [{**manifest, "annotations": names}]}))
# For Docker before 25, which does not read index.json.
docker = {"Config": path(config), "RepoTags": [f"livechat:{VERSION}"], "Layers": [path(layer) for layer in layers]}
archive.file("manifest.json", as_json([docker]))
for digest, content in sorted(blobs.items()):
    archive.file(f"blobs/sha256/{digest}", content)
Path(OUT, f"{NAME}.oci.tar").write_bytes(archive.bytes())

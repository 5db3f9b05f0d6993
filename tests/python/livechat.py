"""A server for a test: the real binary on a free port, with an empty store of its own."""

import os
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("LIVECHAT", str(ROOT / "target" / "debug" / "livechat"))
SCHEMA = ROOT / "schema.graphql"


class Server:
    """Runs a server with these settings until the end of the context."""

    def __init__(self, **settings):
        self._settings = settings

    def __enter__(self):
        self._directory = tempfile.TemporaryDirectory()
        environment = {"LISTEN_ADDR": "127.0.0.1:0", "RATE_LIMITS": "off", "DRAIN_SECONDS": "0", **self._settings}
        self._process = subprocess.Popen(
            [BINARY],
            cwd=self._directory.name,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for line in self._process.stdout:
            if line.startswith("Chat page "):
                url = line.split()[2].rstrip("/")
                self.http = f"{url}/graphql"
                self.ws = self.http.replace("http:", "ws:")
                return self
        raise RuntimeError("the server did not start")

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()
        self._directory.cleanup()

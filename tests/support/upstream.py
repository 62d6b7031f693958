"""A registry to cache from: CNCF distribution, as Debian packages it (``docker-registry``)."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from pathlib import Path

COMMAND = "docker-registry"
START_SECONDS = 30

_LISTENS = re.compile(r"listening on (127\.0\.0\.1:[0-9]+)")


class UpstreamRegistry:
    """Starts a registry on a free port and waits until it listens.

    :param folder: an empty folder for its configuration and what it stores.
    :param htpasswd: lines of a password file; with one it lets in nobody else.
    """

    def __init__(self, folder: Path, htpasswd: str | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / "log"
        configuration = folder / "config.yml"
        configuration.write_text(_configuration(folder, htpasswd))
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [COMMAND, "serve", str(configuration)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            self.url = f"http://{self._address()}"
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it; harmless when it has ended."""
        self._process.kill()
        self._process.wait()

    def _address(self) -> str:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self._process.poll() is None:
            found = _LISTENS.search(self._log.read_text(errors="replace"))
            if found is not None:
                return found[1]
            time.sleep(0.02)
        raise AssertionError(f"{COMMAND} does not listen:\n{self._log.read_text()}")


def is_installed() -> bool:
    """Say whether there is a registry to start."""
    return shutil.which(COMMAND) is not None


def _configuration(folder: Path, htpasswd: str | None) -> str:
    lines = [
        "version: 0.1",
        "log: {level: info}",
        f"storage: {{filesystem: {{rootdirectory: '{folder / 'store'}'}}}}",
        "http: {addr: '127.0.0.1:0'}",
    ]
    if htpasswd is not None:
        (folder / "htpasswd").write_text(htpasswd)
        lines.append(f"auth: {{htpasswd: {{realm: test, path: '{folder / 'htpasswd'}'}}}}")
    return "\n".join(lines) + "\n"

"""The skopeo command with the credentials of one caller."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

TIMEOUT_SECONDS = 120


class SkopeoError(Exception):
    """A skopeo command that failed. Its text is all that it printed."""


class Skopeo:
    """skopeo, logged in to every registry with one token.

    :param password: the registry token.
    """

    def __init__(self, password: str) -> None:
        self._credentials = f"AWS:{password}"

    def copy(self, source: str, destination: str) -> str:
        """Copy an image, or an index with all its images, and return skopeo's debug log.

        :param source: and *destination*: in skopeo's form, ``docker://…`` or ``oci:…``.
        :raises SkopeoError: if it fails.
        """
        options = ["--all"]
        for side, place in (("src", source), ("dest", destination)):
            if place.startswith("docker://"):
                options += [f"--{side}-creds", self._credentials, f"--{side}-tls-verify=false"]
        return self._run("copy", *options, source, destination)

    def _run(self, *args: str) -> str:
        # The machine's signature policy is not what is tested.
        done = subprocess.run(
            ["skopeo", "--insecure-policy", "--debug", *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )
        if done.returncode != 0:
            raise SkopeoError(done.stdout)
        return done.stdout


def anonymous_skopeo(url: str, *args: str) -> subprocess.CompletedProcess[str]:
    """Run skopeo for someone who has no credentials of any kind.

    ``*.localhost`` resolves neither by glibc nor by Go; so the server is its HTTP proxy, to
    which a client leaves the resolving, and which answers for every host.
    """
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",  # and no login in it
        "http_proxy": url,
    }
    return subprocess.run(
        ["skopeo", "--insecure-policy", "--debug", *args],
        env=environ,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
    )


def oci_layout(folder: Path, tag: str) -> str:
    """Return skopeo's name of an image in an OCI layout folder."""
    return f"oci:{folder}:{tag}"


def requests(log: str, method: str, part: str) -> list[str]:
    """Return the addresses in skopeo's debug log that it asked by *method* and that hold *part*."""
    found = re.findall(rf'level=debug msg="{method} (\S+?)"', log)
    return [address for address in found if part in address]

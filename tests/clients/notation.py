"""The Notary Project's command, built by Go."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from tests.clients.caller import Caller

MODULE = "github.com/notaryproject/notation"
VERSION = "v1.3.2"
BUILD_SECONDS = 500
SECONDS = 60

_POLICY = {
    "version": "1.0",
    "trustPolicies": [
        {
            "name": "all",
            "registryScopes": ["*"],
            "signatureVerification": {"level": "strict"},
            "trustStores": ["ca:ours"],
            "trustedIdentities": ["*"],
        }
    ],
}


class NotationUnavailable(Exception):
    """The command cannot be built here; the text says why."""


class Notation:
    """The command with a configuration of its own.

    :param folder: where it is built, and where its configuration is.
    :raises NotationUnavailable: there is no Go, or it did not build.
    """

    def __init__(self, folder: Path, caller: Caller) -> None:
        if shutil.which("go") is None:
            raise NotationUnavailable("Go is not installed, so notation cannot be built")
        self._folder = folder
        self._caller = caller
        source = json.loads(_go(folder, "mod", "download", "-json", f"{MODULE}@{VERSION}"))["Dir"]
        # Its folder cannot be written to, and the build writes to go.sum.
        shutil.copytree(source, folder / "source", copy_function=shutil.copyfile)
        for path in [folder / "source", *(folder / "source").rglob("*")]:
            path.chmod(0o755)
        self._program = folder / "notation"
        _go(folder / "source", "build", "-o", str(self._program), "./cmd/notation")
        self._configuration = folder / "configuration" / "notation"
        self._configuration.mkdir(parents=True)

    def make_key(self, name: str) -> Path:
        """Make a key that signs from now on; return its certificate's file."""
        self.run("cert", "generate-test", "--default", name)
        return self._configuration / "localkeys" / f"{name}.crt"

    def trust(self, certificate: Path) -> None:
        """Trust a certificate, and no other."""
        store = self._configuration / "truststore" / "x509" / "ca" / "ours"
        shutil.rmtree(store, ignore_errors=True)
        store.mkdir(parents=True)
        shutil.copyfile(certificate, store / "certificate.pem")
        (self._configuration / "trustpolicy.json").write_text(json.dumps(_POLICY))

    def sign(self, image: str, form: str) -> None:
        """Sign an image.

        :param form: of the envelope, ``jws`` or ``cose``.
        """
        self.run("sign", "--insecure-registry", "--signature-format", form, image)

    def verify(self, image: str) -> str:
        """Verify an image's signatures; return what that printed."""
        return self.run("verify", "--insecure-registry", image)

    def run(self, *arguments: str) -> str:
        """Run the command and return what it printed; it must succeed."""
        done = subprocess.run(
            [str(self._program), *arguments],
            env={
                **os.environ,
                "HOME": str(self._folder),
                "XDG_CONFIG_HOME": str(self._folder / "configuration"),
                "NOTATION_USERNAME": "AWS",
                "NOTATION_PASSWORD": self._caller.password(),
            },
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr


def _go(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["go", *arguments],
            cwd=folder,
            env={**os.environ, "GOFLAGS": "-buildvcs=false -mod=mod", "GOWORK": "off"},
            capture_output=True,
            text=True,
            timeout=BUILD_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise NotationUnavailable(f"go {arguments[0]} took over {BUILD_SECONDS} s") from None
    if done.returncode != 0:
        reason = done.stderr.strip()[-600:]
        raise NotationUnavailable(f"go {' '.join(arguments)} failed: {reason}")
    return done.stdout

"""The Notary Project's command."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from tests.clients.caller import Caller

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


class Notation:
    """The command, with a configuration of its own in a folder."""

    def __init__(self, folder: Path, caller: Caller) -> None:
        self._folder = folder
        self._caller = caller
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
            ["notation", *arguments],
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

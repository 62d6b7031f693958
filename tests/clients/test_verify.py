"""Signatures by real clients, and ``ecr-emulator verify`` at a real server."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cryptography import x509

from tests.clients.caller import Caller
from tests.clients.notation import Notation
from tests.conftest import MakeServer
from tests.support import signers
from tests.support.images import Image, make_image
from tests.support.server import ServerProcess, environment

NAME = "team/app"


def verify(
    server: ServerProcess, caller: Caller, *arguments: str, **variables: str
) -> tuple[int, str]:
    """Run the command; return its exit status and what it printed."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "ecr_emulator", "verify", *arguments),
            *("--account", caller.account, "--endpoint-url", server.url),
        ],
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


def push(caller: Caller) -> Image:
    image = make_image()
    caller.oci().push(NAME, image, "v1")
    return image


def test_command(server: ServerProcess, caller: Caller, tmp_path: Path) -> None:
    caller.create_repository(NAME)
    digest = push(caller).manifest.digest
    status, printed = verify(server, caller, f"{NAME}:v1")
    assert (status, printed) == (1, f"ecr-emulator: no signature of {digest} verifies\n")

    manifest, blobs = signers.artifact(signers.simple_signing(signers.key(), digest))
    for blob in blobs:
        caller.oci().push_blob(NAME, blob.data)
    caller.oci().put_manifest(NAME, f"{digest.replace(':', '-')}.sig", manifest)
    key, other = tmp_path / "cosign.pub", tmp_path / "other.pub"
    key.write_bytes(signers.public_pem(signers.key()))
    other.write_bytes(signers.public_pem(signers.key("RSA")))
    stored = f"cosign  {manifest.digest}"
    status, printed = verify(server, caller, f"{server.url[7:]}/{NAME}:v1", "--key", str(key))
    assert (status, printed) == (0, f"verified  {stored}  by request\n")
    status, printed = verify(server, caller, f"{NAME}@{digest}", "--key", str(other))
    assert status == 1
    reason = "None of the trusted keys made this signature."
    assert printed.startswith(f"NOT verified  {stored}  {reason}\n")

    assert verify(server, caller, "Not An Image")[0] == 1
    assert "No such file" in verify(server, caller, NAME, "--key", str(tmp_path / "none"))[1]
    assert "does not exist within" in verify(server, caller, f"{NAME}:none")[1]


def test_a_server_with_a_token_and_a_certificate(make_server: MakeServer, tmp_path: Path) -> None:
    token = "a-token-of-the-control-endpoints"
    server = make_server(tls=True, admin_token=token, workers=1)
    caller = Caller(server.url, tmp_path / "aws", authority=server.authority)
    asked = server, caller, f"{NAME}:v1"
    bundle = {"AWS_CA_BUNDLE": str(server.authority)}
    assert "CERTIFICATE_VERIFY_FAILED" in verify(*asked)[1]
    assert "need the token" in verify(*asked, **bundle)[1]
    status, printed = verify(*asked, **bundle, ECR_EMULATOR_ADMIN_TOKEN=token)
    assert (status, "does not exist in the registry" in printed) == (1, True)
    nowhere = verify(*asked, AWS_CA_BUNDLE=str(tmp_path / "none"))
    assert "No such file" in nowhere[1]


def test_notation(server: ServerProcess, caller: Caller, tmp_path: Path) -> None:
    """What it signs verifies here, and what is signed here verifies there."""
    if shutil.which("notation") is None:
        pytest.skip("notation is not installed (scripts/ci/go-clients builds it)")
    notation = Notation(tmp_path, caller)
    caller.create_repository(NAME)
    image = f"{caller.registry}/{NAME}@{push(caller).manifest.digest}"
    own = notation.make_key("own")
    notation.sign(image, "jws")
    notation.sign(image, "cose")
    notation.trust(own)
    assert "Successfully verified" in notation.verify(image)
    status, printed = verify(server, caller, image, "--key", str(own))
    assert status == 0
    assert printed.count("verified  notary  sha256:") == 2
    assert printed.count("by request") == 2

    profile = f"arn:aws:signer:us-east-1:{caller.account}:/signing-profiles/release"
    caller.ecr.put_signing_configuration(
        signingConfiguration={"rules": [{"signingProfileArn": profile}]}
    )
    digest = push(caller).manifest.digest
    certificate = tmp_path / "profile.pem"
    certificate.write_bytes(_certificate(caller, digest))
    notation.trust(certificate)
    image = f"{caller.registry}/{NAME}@{digest}"
    assert "Successfully verified" in notation.verify(image)
    status, printed = verify(server, caller, image)
    assert status == 0
    assert printed.endswith(f"by {profile}\n")


def _certificate(caller: Caller, digest: str) -> bytes:
    """Return the certificate of the signature that a profile makes, in PEM."""
    asked = {"repositoryName": NAME, "imageId": {"imageDigest": digest}}
    deadline = time.monotonic() + 30
    while True:
        (status,) = caller.ecr.describe_image_signing_status(**asked)["signingStatuses"]
        if status["status"] == "COMPLETE":
            break
        assert time.monotonic() < deadline, status
        time.sleep(0.2)
    (referrer,) = caller.ecr.list_image_referrers(
        repositoryName=NAME, subjectId={"imageDigest": digest}
    )["referrers"]
    manifest = json.loads(caller.oci().get_manifest(NAME, referrer["digest"]).data)
    envelope = json.loads(caller.oci().get_blob(NAME, manifest["layers"][0]["digest"]))
    der = base64.b64decode(envelope["header"]["x5c"][0])
    return signers.pem(x509.load_der_x509_certificate(der))

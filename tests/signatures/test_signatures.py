"""Signatures and attestations of images: which there are, and whether each verifies.

Formats: cosign's specification (simple signing, tags, OCI 1.1 referrers), DSSE 1.0.2, in-toto
statements, sigstore's bundle 0.3; the Notary Project's JWS and COSE envelopes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from click.testing import CliRunner
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from ecr_emulator.cli import main
from ecr_emulator.clock import Clock
from ecr_emulator.signatures.notary import verify_cose, verify_jws
from ecr_emulator.signatures.sigstore import verify_bundle, verify_dsse, verify_simple_signing
from ecr_emulator.signatures.trust import InvalidTrust, Trust, parse_trust, read_trust
from ecr_emulator.signatures.verdicts import NOT_BY_TRUSTED, NOTHING_TRUSTED, NotVerified
from tests.support import signers
from tests.support.app import ACCOUNT, REGION, App, OciCaller
from tests.support.images import Blob, Image, make_image

REPOSITORY = "team/app"
OTHER_DIGEST = "sha256:" + "0" * 64
#: What envelopes of all forms have.
_MEMBERS = (
    *("payload", "payloadType", "signatures", "sig", "protected", "header", "x5c", "signature"),
    *("dsseEnvelope", "critical", "image", "docker-manifest-digest"),
)
SIG_TYPE = "application/vnd.dev.cosign.artifact.sig.v1+json"


@pytest.fixture
def image(ecr: Any, oci: OciCaller) -> Image:
    """An image in a repository."""
    ecr.create_repository(repositoryName=REPOSITORY)
    made = make_image(layers=1)
    oci.push(REPOSITORY, made, "v1")
    return made


def push(oci: OciCaller, manifest: Blob, blobs: list[Blob], tag: str = "") -> str:
    for blob in {blob.digest: blob for blob in blobs}.values():
        if oci.request("HEAD", f"/v2/{REPOSITORY}/blobs/{blob.digest}").status_code == 404:
            oci.push_blob(REPOSITORY, blob.data)
    return oci.push(REPOSITORY, manifest, tag)


def ask(app: App, pem: bytes = b"", **query: str) -> tuple[int, dict[str, Any]]:
    named = {"account": ACCOUNT, "region": REGION, "repositoryName": REPOSITORY, **query}
    named = named if "imageDigest" in named else {"imageTag": "v1", **named}
    method = "POST" if pem else "GET"
    answer = app.request(method, f"/_emulator/signatures?{urlencode(named)}", pem)
    return answer.status_code, dict(answer.get_json())


def signatures(app: App, pem: bytes = b"") -> list[dict[str, Any]]:
    status, answer = ask(app, pem)
    assert status == 200, answer
    return list(answer["signatures"])


def cosign_tag(digest: str, kind: str = "sig") -> str:
    """cosign's name for where an image's signatures are."""
    return f"{digest.replace(':', '-')}.{kind}"


class TestCosign:
    @pytest.mark.parametrize("kind", ["P-256", "P-384", "RSA", "Ed25519"])
    def test_by_tag(self, app: App, oci: OciCaller, image: Image, kind: str) -> None:
        key, digest = signers.key(kind), image.manifest.digest
        tag = cosign_tag(digest)
        stored = push(oci, *signers.artifact(signers.simple_signing(key, digest)), tag)
        described = {"kind": "cosign", "manifestDigest": stored, "tag": tag}
        described["artifactType"] = "application/vnd.oci.image.config.v1+json"
        assert signatures(app, signers.public_pem(key)) == [
            {**described, "verified": True, "trustedBy": "request"}
        ]
        stranger = signers.public_pem(signers.key("P-256#2"))
        assert signatures(app, stranger) == [
            {**described, "verified": False, "reason": NOT_BY_TRUSTED}
        ]
        assert signatures(app) == [{**described, "verified": False, "reason": NOTHING_TRUSTED}]

    def test_by_referrer(self, app: App, oci: OciCaller, image: Image) -> None:
        """cosign's mode oci-1-1."""
        key = signers.key()
        layer = signers.simple_signing(key, image.manifest.digest)
        stored = push(oci, *signers.artifact(layer, subject=image.manifest, kind=SIG_TYPE))
        assert signatures(app, signers.public_pem(key)) == [
            {
                "kind": "cosign",
                "manifestDigest": stored,
                "artifactType": SIG_TYPE,
                "verified": True,
                "trustedBy": "request",
            }
        ]

    def test_several(self, app: App, oci: OciCaller, image: Image) -> None:
        """cosign adds a layer for each; each is looked at by itself."""
        digest = image.manifest.digest
        first, second = signers.key(), signers.key("RSA")
        layers = [signers.simple_signing(key, digest) for key in (first, second)]
        # The same payload, as a rule.
        assert layers[0][0] == layers[1][0]
        push(oci, *signers.artifact(*layers), cosign_tag(digest))
        both = signers.public_pem(first) + signers.public_pem(second)
        assert [item["trustedBy"] for item in signatures(app, both)] == ["request", "request#2"]
        only = [item["verified"] for item in signatures(app, signers.public_pem(second))]
        assert only == [False, True]

    def test_of_something_else(self, app: App, oci: OciCaller, image: Image) -> None:
        key, digest = signers.key(), image.manifest.digest
        layer = signers.simple_signing(key, OTHER_DIGEST)
        push(oci, *signers.artifact(layer), cosign_tag(digest))
        (found,) = signatures(app, signers.public_pem(key))
        assert found["reason"] == f"The signature is of something else: {OTHER_DIGEST}."

    def test_of_a_changed_payload(self, app: App, oci: OciCaller, image: Image) -> None:
        key, digest = signers.key(), image.manifest.digest
        _, annotations = signers.simple_signing(key, OTHER_DIGEST)
        changed, _ = signers.simple_signing(key, digest)
        push(oci, *signers.artifact((changed, annotations)), cosign_tag(digest))
        (found,) = signatures(app, signers.public_pem(key))
        assert found["reason"] == NOT_BY_TRUSTED

    @pytest.mark.parametrize("annotation", [None, "", "no base64!", "ö"])
    def test_without_a_signature(
        self, app: App, oci: OciCaller, image: Image, annotation: str | None
    ) -> None:
        payload, annotations = signers.simple_signing(signers.key(), image.manifest.digest)
        (name,) = annotations
        notes = {} if annotation is None else {name: annotation}
        push(oci, *signers.artifact((payload, notes)), cosign_tag(image.manifest.digest))
        (found,) = signatures(app, signers.public_pem(signers.key()))
        assert found["verified"] is False
        assert found["reason"]


class TestAttestations:
    def test_by_tag(self, app: App, oci: OciCaller, image: Image) -> None:
        key, digest = signers.key(), image.manifest.digest
        envelope = signers.dsse(key, signers.statement(digest))
        layer = Blob(signers.DSSE, signers.dumped(envelope))
        push(oci, *signers.artifact((layer, {})), cosign_tag(digest, "att"))
        (found,) = signatures(app, signers.public_pem(key))
        assert found["kind"] == "attestation"
        assert found["verified"] is True
        assert found["predicateType"] == signers.SBOM

    def test_bundle(self, app: App, oci: OciCaller, image: Image) -> None:
        """What cosign 3 makes of a signature, too."""
        key, digest = signers.key(), image.manifest.digest
        predicate = "https://sigstore.dev/cosign/sign/v1"
        layer = signers.bundle(signers.dsse(key, signers.statement(digest, predicate)))
        manifest = signers.artifact((layer, {}), subject=image.manifest, kind=signers.BUNDLE)
        push(oci, *manifest)
        (found,) = signatures(app, signers.public_pem(key))
        assert (found["kind"], found["verified"]) == ("bundle", True)
        assert found["predicateType"] == predicate

    def test_what_proves_nothing(self) -> None:
        key = signers.key()
        trust = parse_trust("key", signers.public_pem(key))
        good = signers.dsse(key, signers.statement(OTHER_DIGEST))

        def reason(envelope: Any, digest: str = OTHER_DIGEST) -> str:
            with pytest.raises(NotVerified) as caught:
                verify_dsse(signers.dumped(envelope), digest, trust)
            return str(caught.value)

        assert verify_dsse(signers.dumped(good), OTHER_DIGEST, trust).trusted == "key"
        assert "something else" in reason(good, "sha256:" + "1" * 64)
        assert "names no image" in reason(signers.dsse(key, b"{}"))
        assert "no statement" in reason(signers.dsse(key, b"{}", "text/plain"))
        assert reason({**good, "payloadType": "application/vnd.in-toto+jsom"}) == NOT_BY_TRUSTED
        assert reason({**good, "signatures": [{"sig": "!"}, 1]}).startswith("The signature is dam")
        assert "lacks" in reason({**good, "signatures": []})
        assert "lacks" in reason({**good, "payloadType": None})
        assert "not base64" in reason({**good, "payload": 1})
        # One of several is enough.
        mixed = {**good, "signatures": [{"sig": ""}, *good["signatures"]]}
        assert verify_dsse(signers.dumped(mixed), OTHER_DIGEST, trust).trusted == "key"
        with pytest.raises(NotVerified, match="holds no envelope"):
            verify_bundle(b'{"messageSignature": {}}', OTHER_DIGEST, trust)


def notary(oci: OciCaller, image: Image, envelope: Blob) -> str:
    """Push a signature of the Notary Project's."""
    manifest = signers.artifact((envelope, {}), subject=image.manifest, kind=signers.NOTARY)
    return push(oci, *manifest)


class TestNotary:
    @pytest.mark.parametrize("form", ["jws", "cose"])
    @pytest.mark.parametrize("kind", ["P-256", "P-384", "P-521", "RSA"])
    def test_signed_by_itself(
        self, app: App, oci: OciCaller, image: Image, kind: str, form: str
    ) -> None:
        key = signers.key(kind)
        own = signers.certificate(key, "own")
        make = signers.jws if form == "jws" else signers.cose
        stored = notary(oci, image, make(key, [own], signers.notary_payload(image.manifest)))
        assert signatures(app, signers.pem(own)) == [
            {
                "kind": "notary",
                "manifestDigest": stored,
                "artifactType": signers.NOTARY,
                "verified": True,
                "trustedBy": "request",
            }
        ]
        stranger = signers.certificate(signers.key("P-256#2"), "stranger")
        (found,) = signatures(app, signers.pem(stranger))
        assert found["reason"] == "The signature's certificate is not trusted: CN=own."
        # A key alone is no certificate.
        (found,) = signatures(app, signers.public_pem(key))
        assert found["reason"] == NOTHING_TRUSTED

    def test_what_a_signing_profile_signs(self, app: App, ecr: Any, oci: OciCaller) -> None:
        arn = f"arn:aws:signer:{REGION}:{ACCOUNT}:/signing-profiles/release"
        ecr.put_signing_configuration(signingConfiguration={"rules": [{"signingProfileArn": arn}]})
        ecr.create_repository(repositoryName=REPOSITORY)
        oci.push(REPOSITORY, make_image(), "v1")
        app.run_jobs()
        (found,) = signatures(app)
        assert (found["verified"], found["trustedBy"]) == (True, arn)


class TestChains:
    SUBJECT = Blob("application/vnd.oci.image.manifest.v1+json", b"{}")

    def check(
        self, chain: list[Any], trusted: list[Any], after: timedelta = timedelta(0), **more: Any
    ) -> str:
        """Verify a signature by the tests' key; return who is trusted, or why nobody is."""
        envelope = signers.jws(signers.key(), chain, signers.notary_payload(self.SUBJECT), **more)
        trust = parse_trust("ca", b"".join(signers.pem(item) for item in trusted))
        try:
            now = Clock().now() + after
            return verify_jws(envelope.data, self.SUBJECT.digest, trust, now).trusted
        except NotVerified as error:
            return str(error)

    @pytest.fixture
    def root(self) -> tuple[Any, Any]:
        key = signers.key("P-256#root")
        return key, signers.certificate(key, "root", authority=True)

    @pytest.fixture
    def middle(self, root: tuple[Any, Any]) -> tuple[Any, Any]:
        key = signers.key("P-256#middle")
        return key, signers.certificate(key, "middle", root, authority=True)

    def test_to_an_authority(self, root: Any, middle: Any) -> None:
        leaf = signers.certificate(signers.key(), "leaf", middle)
        assert self.check([leaf, middle[1], root[1]], [root[1]]) == "ca"
        assert self.check([leaf, middle[1]], [root[1]]) == "ca"
        assert self.check([leaf, middle[1]], [middle[1]]) == "ca"
        assert self.check([leaf], [middle[1]]) == "ca"
        assert self.check([leaf], [root[1]]).endswith("is not trusted: CN=leaf.")
        assert self.check([leaf, root[1]], [root[1]]).endswith("its chain is broken.")

    def test_who_is_no_authority(self, root: Any) -> None:
        key = signers.key("P-256#middle")
        middle = (key, signers.certificate(key, "no authority", root))
        leaf = signers.certificate(signers.key(), "leaf", middle)
        assert self.check([leaf, middle[1], root[1]], [root[1]]).endswith("chain is broken.")

    def test_in_time(self, root: Any) -> None:
        leaf = signers.certificate(signers.key(), "leaf", root, days=10)
        assert self.check([leaf], [root[1]], timedelta(days=8)) == "ca"
        assert "CN=leaf is valid from" in self.check([leaf], [root[1]], timedelta(days=10))
        assert "CN=leaf is valid from" in self.check([leaf], [root[1]], -timedelta(days=2))

    def test_for_what_it_is(self, root: Any) -> None:
        server = ExtendedKeyUsageOID.SERVER_AUTH
        leaf = signers.certificate(signers.key(), "leaf", root, purpose=server)
        assert self.check([leaf], [root[1]]).endswith("it is not for signing code.")
        authority = signers.certificate(signers.key(), "leaf", root, authority=True)
        assert self.check([authority], [root[1]]).endswith("it is not for signing.")

    def test_attributes(self, root: Any) -> None:
        leaf, scheme = signers.certificate(signers.key(), "leaf", root), "notary.x509"
        names = "io.cncf.notary.signingScheme", "io.cncf.notary.expiry"
        later = (Clock().now() + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")

        def check(after: timedelta = timedelta(0), **attributes: Any) -> str:
            return self.check([leaf], [root[1]], after, **attributes)

        expiring: Mapping[str, Any] = {"crit": list(names), names[1]: later}
        assert check(**expiring) == "ca"
        assert "expired at" in check(timedelta(days=2), **expiring)
        assert "cannot be read" in check(**{names[1]: "tomorrow"})
        assert "not critical" in check(crit=[])
        assert "not known here: some" in check(crit=[names[0], "some"])
        assert "not known here: ['x']" in check(crit=[names[0], ["x"]])
        assert "scheme is not known" in check(**{names[0]: "other"})
        assert "another type" in check(cty="text/plain")
        assert "not made by the key" in check(alg="ES384")
        assert "not made by the key" in check(alg="none")
        assert scheme  # the default

    def test_an_authoritys_word_on_the_time(self, root: Any) -> None:
        leaf = signers.certificate(signers.key(), "leaf", root, days=10)
        names = "io.cncf.notary.signingScheme", "io.cncf.notary.authenticSigningTime"
        now = Clock().now().strftime("%Y-%m-%dT%H:%M:%SZ")
        signed = {"crit": list(names), names[0]: "notary.x509.signingAuthority", names[1]: now}
        assert self.check([leaf], [root[1]], timedelta(days=20), **signed) == "ca"

    def test_somebody_elses_certificate(self) -> None:
        other = signers.certificate(signers.key("P-256#2"), "other")
        assert "not made by the key" in self.check([other], [other])
        assert "no chain" in self.check([], [other])
        assert "too long" in self.check([other] * 11, [other])


class TestHostile:
    """What anybody may push: a reason, never an error."""

    TRUST = Trust()

    @pytest.fixture(scope="class")
    def trust(self) -> Trust:
        own = signers.certificate(signers.key(), "own")
        return parse_trust("own", signers.pem(own))

    @given(st.binary(max_size=400) | st.text(max_size=200).map(str.encode))
    @settings(max_examples=200, deadline=None)
    def test_any_bytes(self, data: bytes) -> None:
        _all_refuse(data)

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(_MEMBERS),
                    inner,
                    max_size=4,
                )
            ),
            max_leaves=12,
        )
    )
    @settings(max_examples=300, deadline=None)
    def test_any_document(self, document: Any) -> None:
        import cbor2

        _all_refuse(json.dumps(document).encode())
        _all_refuse(cbor2.dumps(document))
        _all_refuse(cbor2.dumps(cbor2.CBORTag(18, document)))

    @given(st.data())
    @settings(max_examples=100, deadline=None)
    def test_changed_anywhere(self, data: st.DataObject) -> None:
        """No change of a byte of what is signed goes unseen."""
        own = _own()
        subject = TestChains.SUBJECT
        made = [
            (signers.jws, verify_jws),
            (signers.cose, verify_cose),
        ]
        make, verify = data.draw(st.sampled_from(made))
        envelope = bytearray(make(signers.key(), [own], signers.notary_payload(subject)).data)
        position = data.draw(st.integers(0, len(envelope) - 1))
        envelope[position] ^= data.draw(st.integers(1, 255))
        trust = parse_trust("own", signers.pem(own))
        try:
            proof = verify(bytes(envelope), subject.digest, trust, Clock().now())
        except NotVerified:
            return
        # Only what is not signed can have been changed: the name of the tool, a spare bit.
        assert proof.trusted == "own"

    def test_nested(self) -> None:
        for data in (b"[" * 10**5, b'{"a":' * 10**5, b"\x81" * 10**5, b"\xd2" * 10**5):
            _all_refuse(data)

    def test_larger_than_is_read(
        self, app: App, oci: OciCaller, image: Image, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from ecr_emulator.registry import signature_checks

        monkeypatch.setattr(signature_checks, "_MAX_ENVELOPE", 10)
        digest = image.manifest.digest
        layer = signers.simple_signing(signers.key(), digest)
        push(oci, *signers.artifact(layer), cosign_tag(digest))
        (found,) = signatures(app, signers.public_pem(signers.key()))
        assert found["reason"] == "The signature is larger than 10 bytes."

    def test_what_is_no_signature(self, app: App, oci: OciCaller, image: Image) -> None:
        """A bill of materials that is not signed, and a signature of another image."""
        bill = Blob("application/vnd.cyclonedx+json", b"{}")
        push(oci, *signers.artifact((bill, {}), subject=image.manifest, kind="application/x"))
        other = signers.simple_signing(signers.key(), OTHER_DIGEST)
        push(oci, *signers.artifact(other), cosign_tag(OTHER_DIGEST))
        assert signatures(app) == []


def _own() -> Any:
    if "own" not in _certificates:
        _certificates["own"] = signers.certificate(signers.key(), "own")
    return _certificates["own"]


_certificates: dict[str, Any] = {}


def _all_refuse(data: bytes) -> None:
    trust, now = parse_trust("own", signers.pem(_own())), Clock().now()
    for check in (
        lambda: verify_simple_signing(data, "AAAA", OTHER_DIGEST, trust),
        lambda: verify_simple_signing(b"{}", data.decode("latin-1"), OTHER_DIGEST, trust),
        lambda: verify_dsse(data, OTHER_DIGEST, trust),
        lambda: verify_bundle(data, OTHER_DIGEST, trust),
        lambda: verify_jws(data, OTHER_DIGEST, trust, now),
        lambda: verify_cose(data, OTHER_DIGEST, trust, now),
    ):
        with pytest.raises(NotVerified):
            check()


class TestTrust:
    def test_a_folder(self, tmp_path: Path) -> None:
        (tmp_path / "cosign.pub").write_bytes(signers.public_pem(signers.key()))
        (tmp_path / "ca.pem").write_bytes(signers.pem(_own()) * 2)
        (tmp_path / "README").write_text("no key")
        trust = read_trust(tmp_path)
        assert [name for name, _ in trust.keys] == ["ca.pem", "ca.pem#2", "cosign.pub"]
        assert [name for name, _ in trust.certificates] == ["ca.pem", "ca.pem#2"]

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            ("", "no public key and no certificate in PEM"),
            ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "that can be used"),
            ("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----", "that can be used"),
            ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "no public key"),
        ],
    )
    def test_what_cannot_be_used(self, tmp_path: Path, content: str, reason: str) -> None:
        path = tmp_path / "key.pem"
        path.write_text(content)
        with pytest.raises(InvalidTrust, match=reason):
            read_trust(path)

    def test_nothing_there(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidTrust, match="No such file"):
            read_trust(tmp_path / "none.pem")
        with pytest.raises(InvalidTrust, match=r"no file \.cer, \.crt, \.pem, \.pub"):
            read_trust(tmp_path)

    def test_a_server_does_not_start_with_it(self, tmp_path: Path) -> None:
        arguments = ["serve", "--port", "0", "--data-dir", str(tmp_path)]
        result = CliRunner().invoke(main, [*arguments, "--trusted-keys", str(tmp_path / "none")])
        assert result.exit_code == 2
        assert "No such file" in result.output

    @pytest.fixture
    def trusting(self, tmp_path: Path) -> Iterator[App]:
        path = tmp_path / "cosign.pub"
        path.write_bytes(signers.public_pem(signers.key()))
        made = App(tmp_path / "data", trusted_keys=str(path))
        yield made
        made.close()

    def test_the_setting(self, trusting: App) -> None:
        oci, image = trusting.oci(), make_image()
        trusting.ecr().create_repository(repositoryName=REPOSITORY)
        oci.push(REPOSITORY, image, "v1")
        digest = image.manifest.digest
        layer = signers.simple_signing(signers.key(), digest)
        push(oci, *signers.artifact(layer), cosign_tag(digest))
        (found,) = signatures(trusting)
        assert (found["verified"], found["trustedBy"]) == (True, "cosign.pub")


def test_refused(app: App, image: Image) -> None:
    assert ask(app, region="") == (400, {"message": "region must be given"})
    assert "does not exist" in ask(app, repositoryName="none")[1]["message"]
    assert "does not exist" in ask(app, imageDigest=OTHER_DIGEST)[1]["message"]
    assert ask(app, b"x") == (
        400,
        {"message": "request: no public key and no certificate in PEM"},
    )
    assert ask(app) == (200, {"imageDigest": image.manifest.digest, "signatures": []})

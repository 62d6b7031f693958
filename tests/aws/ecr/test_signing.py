"""Put-, Get-, DeleteSigningConfiguration, DescribeImageSigningStatus, and signing.

Sources: API reference (shapes, limits, ``ImageSigningStatus``); user guide "Managed signing";
the Notary Project's specifications "OCI signatures", "JWS signature envelope" and "Certificate
requirements" for the signature; texts as registry/signing_*.py say.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from ecr_emulator.db.engine import Database
from ecr_emulator.jobs.queue import JobQueue
from tests.support.app import ACCOUNT, REGION, STRANGER, App, OciCaller, json_blob
from tests.support.images import OCI_CONFIG, OCI_MANIFEST, Blob, Image, make_image, make_index
from tests.support.refusals import refusal

NAME = "team/app"
SIGNATURE_TYPE = "application/vnd.cncf.notary.signature"


def arn(profile: str = "release", region: str = REGION, account: str = ACCOUNT) -> str:
    return f"arn:aws:signer:{region}:{account}:/signing-profiles/{profile}"


def rule(profile_arn: str, *filters: str) -> dict[str, Any]:
    made: dict[str, Any] = {"signingProfileArn": profile_arn}
    if filters:
        made["repositoryFilters"] = [
            {"filter": item, "filterType": "WILDCARD_MATCH"} for item in filters
        ]
    return made


def configure(ecr: Any, *rules: dict[str, Any]) -> None:
    ecr.put_signing_configuration(signingConfiguration={"rules": list(rules)})


def body(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def status(ecr: Any, **image_id: str) -> list[dict[str, str]]:
    answer = ecr.describe_image_signing_status(repositoryName=NAME, imageId=image_id)
    return list(answer["signingStatuses"])


def complete(*profiles: str) -> list[dict[str, str]]:
    return [{"signingProfileArn": arn(profile), "status": "COMPLETE"} for profile in profiles]


def signatures(ecr: Any, subject: str) -> list[dict[str, Any]]:
    answer = ecr.list_image_referrers(
        repositoryName=NAME,
        subjectId={"imageDigest": subject},
        filter={"artifactTypes": [SIGNATURE_TYPE]},
    )
    return list(answer["referrers"])


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.fixture
def repository(ecr: Any) -> str:
    ecr.create_repository(repositoryName=NAME)
    return NAME


class TestConfiguration:
    @pytest.mark.parametrize(
        "rules",
        [
            [],
            [rule(arn())],
            [rule(arn(), "team/*", "*prod*"), rule(arn("other", account=STRANGER))],
            [rule(arn(f"p{number}")) for number in range(10)],
        ],
    )
    def test_what_is_put_is_got(self, ecr: Any, rules: list[dict[str, Any]]) -> None:
        configuration = {"rules": rules}
        answer = ecr.put_signing_configuration(signingConfiguration=configuration)
        assert body(answer) == {"signingConfiguration": configuration}
        stored = {"registryId": ACCOUNT, "signingConfiguration": configuration}
        assert body(ecr.get_signing_configuration()) == stored
        assert body(ecr.delete_signing_configuration()) == stored

    @pytest.mark.parametrize("call", ["get_signing_configuration", "delete_signing_configuration"])
    def test_none(self, ecr: Any, call: str) -> None:
        assert refusal(getattr(ecr, call)) == (
            "SigningConfigurationNotFoundException",
            f"Signing configuration does not exist in the registry with id '{ACCOUNT}'",
        )

    def test_it_is_one_accounts_in_one_region(self, app: App, ecr: Any) -> None:
        configure(ecr, rule(arn()))
        for other in (app.ecr(STRANGER), app.ecr(region="eu-west-1")):
            code, _ = refusal(other.get_signing_configuration)
            assert code == "SigningConfigurationNotFoundException"

    def test_no_profile_of_another_region(self, ecr: Any) -> None:
        elsewhere = arn(region="eu-west-1")
        assert refusal(
            ecr.put_signing_configuration,
            signingConfiguration={"rules": [rule(arn()), rule(elsewhere)]},
        ) == (
            "ValidationException",
            f"The region of signing profile ARN {elsewhere} is 'eu-west-1' but must be "
            f"'{REGION}' (the current region)",
        )

    @pytest.mark.parametrize(
        "rules",
        [
            [rule(arn(f"p{number}")) for number in range(11)],
            [rule("arn:aws:signer:us-east-1:1:/signing-profiles/x")],
            [rule(arn(), "no spaces")],
            [rule(arn(), *(f"f{number}" for number in range(101)))],
        ],
    )
    def test_the_models_limits(self, ecr: Any, rules: list[dict[str, Any]]) -> None:
        code, _ = refusal(ecr.put_signing_configuration, signingConfiguration={"rules": rules})
        assert code == "ValidationException"


class TestStatus:
    def test_of_an_image_that_no_rule_covers(
        self, app: App, ecr: Any, oci: OciCaller, repository: str
    ) -> None:
        configure(ecr, rule(arn(), "other/*"))
        digest = oci.push(NAME, make_image(layers=1), "v1")
        app.run_jobs()
        answer = ecr.describe_image_signing_status(repositoryName=NAME, imageId={"imageTag": "v1"})
        assert body(answer) == {
            "registryId": ACCOUNT,
            "repositoryName": NAME,
            "imageId": {"imageDigest": digest, "imageTag": "v1"},
            "signingStatuses": [],
        }

    @pytest.mark.parametrize(
        ("name", "image_id", "code", "says"),
        [
            ("missing", {"imageTag": "v1"}, "RepositoryNotFoundException", "'missing'"),
            (NAME, {"imageTag": "v1"}, "ImageNotFoundException", "imageTag:'v1'"),
            (NAME, {}, "ImageNotFoundException", "imageDigest:'null', imageTag:'null'"),
        ],
    )
    def test_refusals(
        self, ecr: Any, repository: str, name: str, image_id: dict[str, str], code: str, says: str
    ) -> None:
        found, message = refusal(
            ecr.describe_image_signing_status, repositoryName=name, imageId=image_id
        )
        assert found == code
        assert says in message


class TestSigning:
    def test_in_progress_then_complete(
        self, app: App, ecr: Any, oci: OciCaller, repository: str
    ) -> None:
        configure(ecr, rule(arn("a1"), "team/*"), rule(arn("b2")), rule(arn("c3"), "other"))
        digest = oci.push(NAME, make_image(layers=1), "v1")
        assert status(ecr, imageTag="v1") == [
            {"signingProfileArn": arn(profile), "status": "IN_PROGRESS"} for profile in ("a1", "b2")
        ]
        assert signatures(ecr, digest) == []
        app.run_jobs()
        assert status(ecr, imageDigest=digest) == complete("a1", "b2")
        # "If there are multiple matches, Amazon ECR generates multiple signatures."
        assert len(signatures(ecr, digest)) == 2

    def test_the_signature_is_good(
        self, app: App, ecr: Any, oci: OciCaller, repository: str
    ) -> None:
        configure(ecr, rule(arn()))
        image = make_image(layers=1)
        oci.push(NAME, image, "v1")
        app.run_jobs()
        (referrer,) = signatures(ecr, image.manifest.digest)
        assert referrer["mediaType"] == OCI_MANIFEST
        manifest = oci.expect(200, "GET", f"/v2/{NAME}/manifests/{referrer['digest']}").get_json(
            force=True
        )
        assert manifest["subject"] == image.manifest.descriptor()
        assert manifest["config"] == Blob(SIGNATURE_TYPE, b"{}").descriptor()
        (layer,) = manifest["layers"]
        assert layer["mediaType"] == "application/jose+json"
        blob = oci.expect(200, "GET", f"/v2/{NAME}/blobs/{layer['digest']}").data
        assert len(blob) == layer["size"]

        envelope = json.loads(blob)
        protected = json.loads(decoded(envelope["protected"]))
        assert protected.pop("io.cncf.notary.signingTime") == app.clock.now().strftime(
            "%Y-%m-%dT%H:%M:%SZ"
        )
        assert protected == {
            "alg": "ES256",
            "cty": "application/vnd.cncf.notary.payload.v1+json",
            "crit": ["io.cncf.notary.signingScheme"],
            "io.cncf.notary.signingScheme": "notary.x509",
        }
        payload = json.loads(decoded(envelope["payload"]))
        assert payload == {"targetArtifact": image.manifest.descriptor()}

        (chain,) = envelope["header"]["x5c"]
        certificate = x509.load_der_x509_certificate(base64.b64decode(chain))
        thumbprint = hashlib.sha256(base64.b64decode(chain)).hexdigest()
        annotated = manifest["annotations"]["io.cncf.notary.x509chain.thumbprint#S256"]
        assert json.loads(annotated) == [thumbprint]
        key = certificate.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        signature = decoded(envelope["signature"])
        assert len(signature) == 64
        halves = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
        signed = f"{envelope['protected']}.{envelope['payload']}".encode()
        # Raises when it is not.
        key.verify(encode_dss_signature(*halves), signed, ec.ECDSA(hashes.SHA256()))

    def test_the_certificate(self, app: App, ecr: Any, oci: OciCaller, repository: str) -> None:
        """One for each profile, made once, as the Notary Project requires them."""
        configure(ecr, rule(arn("one")), rule(arn("two")))
        found = []
        for _ in range(2):
            digest = oci.push(NAME, make_image(layers=1))
            app.run_jobs()
            thumbprints = {
                referrer["annotations"]["io.cncf.notary.x509chain.thumbprint#S256"]
                for referrer in signatures(ecr, digest)
            }
            assert len(thumbprints) == 2
            found.append(thumbprints)
        assert found[0] == found[1]
        referrer = signatures(ecr, digest)[0]
        manifest = oci.expect(200, "GET", f"/v2/{NAME}/manifests/{referrer['digest']}")
        (layer,) = manifest.get_json(force=True)["layers"]
        envelope = oci.expect(200, "GET", f"/v2/{NAME}/blobs/{layer['digest']}").get_json(
            force=True
        )
        (chain,) = envelope["header"]["x5c"]
        certificate = x509.load_der_x509_certificate(base64.b64decode(chain))
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
        assert usage.critical
        assert usage.value.digital_signature
        assert not usage.value.key_cert_sign
        assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        assert certificate.not_valid_before_utc <= app.clock.now()
        assert certificate.not_valid_after_utc > app.clock.now() + timedelta(days=365)
        certificate.verify_directly_issued_by(certificate)

    def test_an_image_is_signed_once(
        self, app: App, ecr: Any, oci: OciCaller, repository: str
    ) -> None:
        configure(ecr, rule(arn()))
        image = make_image(layers=1)
        oci.push(NAME, image, "v1")
        oci.push(NAME, image.manifest, "v2")
        app.run_jobs()
        oci.push(NAME, image.manifest, "v3")
        app.run_jobs()
        assert len(signatures(ecr, image.manifest.digest)) == 1
        assert status(ecr, imageTag="v3") == complete("release")

    def test_indexes_and_what_they_list(
        self, app: App, ecr: Any, oci: OciCaller, repository: str
    ) -> None:
        configure(ecr, rule(arn()))
        index = make_index([make_image(layers=1), make_image(layers=1)])
        oci.push(NAME, index, "all")
        app.run_jobs()
        for digest in (
            index.manifest.digest,
            *(image.manifest.digest for image in index.images),
        ):
            assert len(signatures(ecr, digest)) == 1

    def test_by_either_door(self, app: App, ecr: Any, oci: OciCaller, repository: str) -> None:
        configure(ecr, rule(arn()))
        image = make_image(layers=1)
        for blob in image.blobs:
            oci.push_blob(NAME, blob.data)
        ecr.put_image(repositoryName=NAME, imageManifest=image.manifest.data.decode())
        app.run_jobs()
        assert status(ecr, imageDigest=image.manifest.digest) == complete("release")

    @pytest.mark.parametrize(
        ("tag", "members"),
        [
            # A referrer; what cosign calls a signature; a chart: no container images.
            ("", {"subject": Blob(OCI_MANIFEST, b"{}").descriptor()}),
            ("sha256-" + 64 * "0" + ".sig", {}),
            ("", {"artifactType": "application/vnd.cncf.helm.chart.v1.tar+gzip"}),
        ],
    )
    def test_what_is_not_signed(
        self,
        app: App,
        ecr: Any,
        oci: OciCaller,
        repository: str,
        tag: str,
        members: dict[str, Any],
    ) -> None:
        configure(ecr, rule(arn()))
        config = Blob(OCI_CONFIG, b"{}")
        oci.push_blob(NAME, config.data)
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": config.descriptor(),
            "layers": [config.descriptor()],
            **members,
        }
        digest = oci.push(NAME, json_blob(OCI_MANIFEST, manifest), tag)
        app.run_jobs()
        assert status(ecr, imageDigest=digest) == []
        assert signatures(ecr, digest) == []

    def test_signatures_are_not_signed(
        self, app: App, ecr: Any, oci: OciCaller, repository: str
    ) -> None:
        configure(ecr, rule(arn()))
        digest = oci.push(NAME, make_image(layers=1))
        app.run_jobs()
        (signature,) = signatures(ecr, digest)
        assert app.run_jobs() == 0
        assert signatures(ecr, signature["digest"]) == []

    def test_not_what_was_there_before(
        self, app: App, ecr: Any, oci: OciCaller, repository: str
    ) -> None:
        before = oci.push(NAME, make_image(layers=1))
        configure(ecr, rule(arn()))
        after = oci.push(NAME, make_image(layers=1))
        ecr.delete_signing_configuration()
        later = oci.push(NAME, make_image(layers=1))
        app.run_jobs()
        assert [len(signatures(ecr, digest)) for digest in (before, after, later)] == [0, 1, 0]

    def test_a_job_done_twice_signs_once(
        self, app: App, ecr: Any, oci: OciCaller, repository: str
    ) -> None:
        """Jobs are done at least once: another worker may take one over."""
        configure(ecr, rule(arn()))
        digest = oci.push(NAME, make_image(layers=1))
        database = Database(app.settings.database_url)
        queue = JobQueue(database, app.clock)
        job = queue.claim()
        assert job is not None
        with database.write() as connection:
            queue.add(connection, job.kind, job.payload)
            queue.add(connection, job.kind, job.payload)
        database.close()
        assert app.run_jobs() == 2
        assert len(signatures(ecr, digest)) == 1

    def test_an_image_that_went_is_not_signed(
        self, app: App, ecr: Any, oci: OciCaller, repository: str
    ) -> None:
        configure(ecr, rule(arn()))
        digest = oci.push(NAME, make_image(layers=1), "v1")
        ecr.batch_delete_image(repositoryName=NAME, imageIds=[{"imageDigest": digest}])
        app.run_jobs()
        assert ecr.list_images(repositoryName=NAME)["imageIds"] == []

    def test_a_signature_is_replicated_with_its_image(
        self, app: App, ecr: Any, oci: OciCaller, repository: str
    ) -> None:
        destination = {"region": "eu-west-1", "registryId": ACCOUNT}
        ecr.put_replication_configuration(
            replicationConfiguration={"rules": [{"destinations": [destination]}]}
        )
        configure(ecr, rule(arn()))
        digest = oci.push(NAME, make_image(layers=1), "v1")
        app.run_jobs()
        assert len(signatures(app.ecr(region="eu-west-1"), digest)) == 1


class TestWithoutCryptography:
    def test_it_fails_and_says_why(
        self,
        app: App,
        ecr: Any,
        oci: OciCaller,
        repository: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        configure(ecr, rule(arn()))
        image: Image = make_image(layers=1)
        oci.push(NAME, image, "v1")
        with monkeypatch.context() as patch:
            # As Python has it for a module that is not there.
            patch.setitem(sys.modules, "cryptography", None)
            app.run_jobs()
        (failed,) = status(ecr, imageTag="v1")
        assert failed == {
            "signingProfileArn": arn(),
            "status": "FAILED",
            "failureCode": "SignerUnavailable",
            "failureReason": "Nothing can be signed here: the Python package 'cryptography' is "
            "not installed (pip install 'ecr-emulator[signing]').",
        }
        assert signatures(ecr, image.manifest.digest) == []
        # The next push tries again.
        oci.push(NAME, image.manifest, "v2")
        app.run_jobs()
        assert status(ecr, imageTag="v1") == complete("release")

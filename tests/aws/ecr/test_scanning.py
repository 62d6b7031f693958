"""The scanning operations, scans on push by both doors, and pinned findings.

Sources: service model (shapes, limits, descriptions of exceptions); API reference samples of
DescribeImageScanFindings; user guide "Scan images for software vulnerabilities", "Filters to
choose which repositories are scanned", "Troubleshooting image scanning"; texts of the live
service as the comments in the source say.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from werkzeug.test import TestResponse

from ecr_emulator.db.engine import Database
from ecr_emulator.db.schema import images
from ecr_emulator.registry.image_examination import NO_DATABASE
from ecr_emulator.registry.scan_queue import ScanQueue
from tests.support.app import ACCOUNT, REGION, STRANGER, App, OciCaller, json_blob
from tests.support.images import (
    OCI_CONFIG,
    OCI_INDEX,
    OCI_MANIFEST,
    Blob,
    Image,
    make_image,
    make_index,
)
from tests.support.refusals import refusal
from tests.support.rootfs import alpine, image_of

A_DAY = timedelta(hours=24)
REPOSITORY = "team/app"
MISSING = "sha256:" + "0" * 64
COMPLETE = {
    "status": "COMPLETE",
    "description": f"The scan was completed successfully. {NO_DATABASE}",
}
CONTINUOUS = {
    "status": "ACTIVE",
    "description": f"Continuous scan is selected for image. {NO_DATABASE}",
}
PENDING = {"status": "PENDING", "description": "Pending start of the image scan."}
EXPIRED = {
    "status": "SCAN_ELIGIBILITY_EXPIRED",
    "description": "The configured scan duration has lapsed for this image.",
}


def rule(frequency: str, *filters: str) -> dict[str, Any]:
    return {
        "scanFrequency": frequency,
        "repositoryFilters": [{"filter": item, "filterType": "WILDCARD"} for item in filters],
    }


def configure(ecr: Any, scan_type: str, *rules: dict[str, Any]) -> None:
    ecr.put_registry_scanning_configuration(scanType=scan_type, rules=list(rules))


def create(ecr: Any, name: str = REPOSITORY, *, scan_on_push: bool = False) -> None:
    ecr.create_repository(
        repositoryName=name, imageScanningConfiguration={"scanOnPush": scan_on_push}
    )


def push(oci: OciCaller, tag: str = "v1", repository: str = REPOSITORY) -> Image:
    image = image_of(alpine())
    oci.push(repository, image, tag)
    return image


def tag(ecr: Any, image: Image, name: str) -> None:
    """Give an image another tag. Registry tokens do not outlive the days that tests skip."""
    ecr.put_image(
        repositoryName=REPOSITORY, imageManifest=image.manifest.data.decode(), imageTag=name
    )


def status(ecr: Any, repository: str = REPOSITORY, **image_id: str) -> dict[str, str]:
    answer = ecr.describe_image_scan_findings(
        repositoryName=repository, imageId=image_id or {"imageTag": "v1"}
    )
    return dict(answer["imageScanStatus"])


def start(ecr: Any, **image_id: str) -> dict[str, Any]:
    answer = ecr.start_image_scan(repositoryName=REPOSITORY, imageId=image_id or {"imageTag": "v1"})
    answer.pop("ResponseMetadata")
    return dict(answer)


def not_scanned(ecr: Any, tag: str = "v1") -> tuple[str, str]:
    return refusal(
        ecr.describe_image_scan_findings,
        repositoryName=REPOSITORY,
        imageId={"imageTag": tag},
    )


def scan_not_found(digest: str, tag: str) -> tuple[str, str]:
    return (
        "ScanNotFoundException",
        f"Image scan does not exist for the image with '{{imageDigest:'{digest}', "
        f"imageTag:'{tag}'}}' in the repository with name '{REPOSITORY}' in the registry with "
        f"id '{ACCOUNT}'",
    )


def change_status(app: App, value: str) -> None:
    """Give every image a storage status, as if it had been archived or restored."""
    database = Database(app.settings.database_url)
    with database.write() as connection:
        connection.execute(update(images).values(status=value))
    database.close()


def pin(app: App, image: Image, **members: Any) -> dict[str, Any]:
    body = {
        "account": ACCOUNT,
        "region": REGION,
        "repositoryName": REPOSITORY,
        "imageDigest": image.manifest.digest,
        **members,
    }
    response = control(app, "PUT", body)
    assert response.status_code == 200, response.text
    return dict(response.get_json())


def control(app: App, method: str, body: Any, path: str = "scan-findings") -> TestResponse:
    """Call a control endpoint from this machine."""
    return app.request(
        method,
        f"/_emulator/{path}",
        body if isinstance(body, bytes) else json.dumps(body).encode(),
        environ={"REMOTE_ADDR": "127.0.0.1"},
    )


def finding(name: str, severity: str = "HIGH") -> dict[str, Any]:
    return {
        "name": name,
        "severity": severity,
        "uri": f"https://example.com/{name}",
        "attributes": [{"key": "package_name", "value": "openssl"}],
    }


class TestRegistryConfiguration:
    def test_default(self, ecr: Any) -> None:
        answer = ecr.get_registry_scanning_configuration()
        assert answer["registryId"] == ACCOUNT
        assert answer["scanningConfiguration"] == {"scanType": "BASIC", "rules": []}

    def test_put_get(self, app: App, ecr: Any) -> None:
        wanted = {
            "scanType": "ENHANCED",
            "rules": [rule("CONTINUOUS_SCAN", "prod*"), rule("SCAN_ON_PUSH", "*", "dev")],
        }
        answer = ecr.put_registry_scanning_configuration(**wanted)
        assert answer["registryScanningConfiguration"] == wanted
        assert ecr.get_registry_scanning_configuration()["scanningConfiguration"] == wanted
        others = app.ecr(account=STRANGER), app.ecr(region="eu-west-1")
        for other in others:
            got = other.get_registry_scanning_configuration()["scanningConfiguration"]
            assert got == {"scanType": "BASIC", "rules": []}

    def test_empty_put_is_the_default(self, ecr: Any) -> None:
        configure(ecr, "ENHANCED", rule("SCAN_ON_PUSH", "*"))
        answer = ecr.put_registry_scanning_configuration()
        assert answer["registryScanningConfiguration"] == {"scanType": "BASIC", "rules": []}

    @pytest.mark.parametrize(
        ("scan_type", "rules", "code", "message"),
        [
            (
                "BASIC",
                [rule("CONTINUOUS_SCAN", "*")],
                "ValidationException",
                "Invalid scan frequency for scanType BASIC: CONTINUOUS_SCAN",
            ),
            (
                "ENHANCED",
                [rule("MANUAL", "*")],
                "ValidationException",
                "Invalid scan frequency for scanType ENHANCED: MANUAL",
            ),
            (
                "BASIC",
                [rule("SCAN_ON_PUSH", "a"), rule("SCAN_ON_PUSH", "b")],
                "ValidationException",
                "Invalid input. Contains duplicate scan frequencies: [SCAN_ON_PUSH]",
            ),
            (
                "BASIC",
                [rule("SCAN_ON_PUSH", "a*b*c*d*e*")],
                "InvalidParameterException",
                "Invalid parameter at 'repositoryFilters' failed to satisfy constraint: "
                "'Filter cannot contain more than 4 wildcards'",
            ),
        ],
    )
    def test_refused(
        self, ecr: Any, scan_type: str, rules: list[Any], code: str, message: str
    ) -> None:
        configure(ecr, "ENHANCED", rule("SCAN_ON_PUSH", "*"))
        put = ecr.put_registry_scanning_configuration
        assert refusal(put, scanType=scan_type, rules=rules) == (code, message)
        kept = ecr.get_registry_scanning_configuration()["scanningConfiguration"]
        assert kept == {"scanType": "ENHANCED", "rules": [rule("SCAN_ON_PUSH", "*")]}

    def test_basic_takes_manual(self, ecr: Any) -> None:
        configure(ecr, "BASIC", rule("MANUAL", "*"), rule("SCAN_ON_PUSH", "a*b*c*d*"))

    @pytest.mark.parametrize(
        "params",
        [
            {"scanType": "DEEP"},
            {"rules": [rule("DAILY", "*")]},
            {"rules": [rule("SCAN_ON_PUSH", "Upper")]},
            {"rules": [rule("SCAN_ON_PUSH", "x" * 256)]},
            {"rules": [rule("SCAN_ON_PUSH", *["x"] * 101)]},
            {"rules": [rule("SCAN_ON_PUSH", "x")] * 3},
        ],
    )
    def test_the_models_constraints(self, ecr: Any, params: dict[str, Any]) -> None:
        code, _ = refusal(ecr.put_registry_scanning_configuration, **params)
        assert code in ("InvalidParameterException", "ValidationException")


class TestRepositoryConfiguration:
    def of(self, ecr: Any, *names: str) -> list[tuple[str, bool, str, list[str]]]:
        answer = ecr.batch_get_repository_scanning_configuration(repositoryNames=list(names))
        assert answer["failures"] == []
        return [
            (
                item["repositoryName"],
                item["scanOnPush"],
                item["scanFrequency"],
                [applied["filter"] for applied in item["appliedScanFilters"]],
            )
            for item in answer["scanningConfigurations"]
        ]

    def test_default_and_missing(self, ecr: Any) -> None:
        create(ecr)
        answer = ecr.batch_get_repository_scanning_configuration(
            repositoryNames=[REPOSITORY, "none"]
        )
        assert answer["scanningConfigurations"] == [
            {
                "repositoryArn": f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{REPOSITORY}",
                "repositoryName": REPOSITORY,
                "scanOnPush": False,
                "scanFrequency": "MANUAL",
                "appliedScanFilters": [],
            }
        ]
        assert answer["failures"] == [
            {
                "repositoryName": "none",
                "failureCode": "REPOSITORY_NOT_FOUND",
                "failureReason": "REPOSITORY_NOT_FOUND",
            }
        ]

    def test_own_setting(self, ecr: Any) -> None:
        create(ecr, "aa", scan_on_push=True)
        assert self.of(ecr, "aa") == [("aa", True, "SCAN_ON_PUSH", [])]
        ecr.put_image_scanning_configuration(
            repositoryName="aa", imageScanningConfiguration={"scanOnPush": False}
        )
        assert self.of(ecr, "aa") == [("aa", False, "MANUAL", [])]
        # With enhanced scanning only the registry's rules count.
        create(ecr, "bb", scan_on_push=True)
        configure(ecr, "ENHANCED", rule("SCAN_ON_PUSH", "cc"))
        assert self.of(ecr, "bb") == [("bb", True, "MANUAL", [])]

    def test_continuous_goes_before_on_push(self, ecr: Any) -> None:
        create(ecr, "prod-a")
        create(ecr, "dev-a")
        configure(
            ecr, "ENHANCED", rule("SCAN_ON_PUSH", "*", "dev"), rule("CONTINUOUS_SCAN", "prod", "x")
        )
        assert self.of(ecr, "prod-a", "dev-a") == [
            ("prod-a", False, "CONTINUOUS_SCAN", ["prod"]),
            ("dev-a", False, "SCAN_ON_PUSH", ["*", "dev"]),
        ]

    # The table of the user guide, "Filter wildcards".
    @pytest.mark.parametrize(
        ("pattern", "matched"),
        [
            ("prod", {"prod", "repo-prod", "prod-repo", "repo-prod-repo", "prodrepo"}),
            ("*prod", {"prod", "repo-prod"}),
            ("prod*", {"prod", "prod-repo", "prodrepo"}),
            ("*prod*", {"prod", "repo-prod", "prod-repo", "repo-prod-repo", "prodrepo"}),
            ("prod*repo", {"prod-repo", "prodrepo"}),
        ],
    )
    def test_filters(self, ecr: Any, pattern: str, matched: set[str]) -> None:
        names = ["prod", "repo-prod", "prod-repo", "repo-prod-repo", "prodrepo"]
        for name in names:
            create(ecr, name)
        configure(ecr, "BASIC", rule("SCAN_ON_PUSH", pattern))
        answer = self.of(ecr, *names)
        assert {name for name, _, frequency, _ in answer if frequency == "SCAN_ON_PUSH"} == matched
        assert {name for name, _, _, filters in answer if filters == [pattern]} == matched


class TestScanOnPush:
    @pytest.mark.parametrize("by_rule", [False, True])
    @pytest.mark.parametrize("by_api", [False, True])
    def test_basic(self, app: App, ecr: Any, oci: OciCaller, by_rule: bool, by_api: bool) -> None:
        create(ecr, scan_on_push=not by_rule)
        if by_rule:
            configure(ecr, "BASIC", rule("SCAN_ON_PUSH", "team/*"))
        image = image_of(alpine())
        if by_api:
            for blob in image.blobs:
                oci.push_blob(REPOSITORY, blob.data)
            ecr.put_image(
                repositoryName=REPOSITORY,
                imageManifest=image.manifest.data.decode(),
                imageTag="v1",
            )
        else:
            oci.push(REPOSITORY, image, "v1")
        assert status(ecr) == {"status": "IN_PROGRESS"}
        app.clock.advance(timedelta(seconds=3))
        assert app.run_jobs() == 1
        answer = ecr.describe_image_scan_findings(
            repositoryName=REPOSITORY, imageId={"imageTag": "v1"}
        )
        answer.pop("ResponseMetadata")
        completed_at = answer["imageScanFindings"].pop("imageScanCompletedAt")
        assert abs(completed_at - app.clock.now()) < timedelta(milliseconds=1)
        assert answer == {
            "registryId": ACCOUNT,
            "repositoryName": REPOSITORY,
            "imageId": {"imageDigest": image.manifest.digest, "imageTag": "v1"},
            "imageScanStatus": COMPLETE,
            "imageScanFindings": {"findings": [], "findingSeverityCounts": {}},
        }
        (detail,) = ecr.describe_images(repositoryName=REPOSITORY)["imageDetails"]
        assert detail["imageScanStatus"] == COMPLETE
        assert detail["imageScanFindingsSummary"] == {
            "imageScanCompletedAt": completed_at,
            "findingSeverityCounts": {},
        }

    def test_not_unless_configured(self, app: App, ecr: Any, oci: OciCaller) -> None:
        create(ecr)
        configure(ecr, "BASIC", rule("SCAN_ON_PUSH", "other"))
        image = push(oci)
        assert app.run_jobs() == 0
        assert not_scanned(ecr) == scan_not_found("null", "v1")
        assert refusal(
            ecr.describe_image_scan_findings,
            repositoryName=REPOSITORY,
            imageId={"imageDigest": image.manifest.digest},
        ) == scan_not_found(image.manifest.digest, "null")
        (detail,) = ecr.describe_images(repositoryName=REPOSITORY)["imageDetails"]
        assert "imageScanStatus" not in detail
        assert "imageScanFindingsSummary" not in detail

    def test_another_tag_within_a_day_is_no_other_scan(
        self, app: App, ecr: Any, oci: OciCaller
    ) -> None:
        create(ecr, scan_on_push=True)
        image = push(oci)
        app.run_jobs()
        tag(ecr, image, "v2")
        assert app.run_jobs() == 0
        app.clock.advance(A_DAY)
        tag(ecr, image, "v3")
        assert status(ecr)["status"] == "IN_PROGRESS"
        assert app.run_jobs() == 1
        assert status(ecr) == COMPLETE

    def test_an_index_is_not_scanned_and_its_images_are(
        self, app: App, ecr: Any, oci: OciCaller
    ) -> None:
        create(ecr, scan_on_push=True)
        index = make_index([image_of(alpine()), image_of(alpine(), architecture="arm64")])
        oci.push(REPOSITORY, index, "v1")
        assert app.run_jobs() == 2
        assert not_scanned(ecr)[0] == "ScanNotFoundException"
        for image in index.images:
            assert status(ecr, imageDigest=image.manifest.digest) == COMPLETE

    def test_the_image_goes_before_its_scan(self, app: App, ecr: Any, oci: OciCaller) -> None:
        create(ecr, scan_on_push=True)
        push(oci)
        ecr.batch_delete_image(repositoryName=REPOSITORY, imageIds=[{"imageTag": "v1"}])
        assert app.run_jobs() == 1
        push(oci)
        assert status(ecr)["status"] == "IN_PROGRESS"


class TestRegistryQuota:
    @pytest.fixture
    def two_a_day(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
        defaults = ScanQueue.__init__.__kwdefaults__
        assert defaults == {"scans_per_registry": 100_000}
        monkeypatch.setitem(defaults, "scans_per_registry", 2)
        made = App(tmp_path / "two")
        yield made
        made.close()

    def test_basic_scans(self, two_a_day: App) -> None:
        ecr, oci = two_a_day.ecr(), two_a_day.oci()
        create(ecr, scan_on_push=True)
        for name in ("v1", "v2", "v3"):
            push(oci, name)
        assert status(ecr, imageTag="v2") == {"status": "IN_PROGRESS"}
        assert status(ecr, imageTag="v3") == {
            "status": "LIMIT_EXCEEDED",
            "description": "The scan quota per registry has been exceeded.",
        }
        assert two_a_day.run_jobs() == 2
        create(ecr, "other")
        image = push(oci, "v1", "other")
        call = {"repositoryName": "other", "imageId": {"imageDigest": image.manifest.digest}}
        assert refusal(ecr.start_image_scan, **call) == (
            "LimitExceededException",
            "The scan quota per registry has been exceeded. Wait and try again.",
        )
        two_a_day.clock.advance(A_DAY)
        ecr.start_image_scan(**call)


class TestStartImageScan:
    def test_by_tag_and_by_digest(self, app: App, ecr: Any, oci: OciCaller) -> None:
        create(ecr)
        first, second = push(oci), push(oci, "v2")
        assert start(ecr) == {
            "registryId": ACCOUNT,
            "repositoryName": REPOSITORY,
            "imageId": {"imageDigest": first.manifest.digest, "imageTag": "v1"},
            "imageScanStatus": {"status": "IN_PROGRESS"},
        }
        answer = start(ecr, imageDigest=second.manifest.digest)
        assert answer["imageId"] == {"imageDigest": second.manifest.digest}
        assert app.run_jobs() == 2
        assert status(ecr) == COMPLETE

    def test_once_a_day(self, app: App, ecr: Any, oci: OciCaller) -> None:
        create(ecr)
        push(oci)
        start(ecr)
        exceeded = (
            "LimitExceededException",
            "The scan quota per image has been exceeded. Wait and try again.",
        )
        again = {"repositoryName": REPOSITORY, "imageId": {"imageTag": "v1"}}
        assert refusal(ecr.start_image_scan, **again) == exceeded
        app.run_jobs()
        app.clock.advance(A_DAY - timedelta(seconds=1))
        assert refusal(ecr.start_image_scan, **again) == exceeded
        app.clock.advance(timedelta(seconds=1))
        start(ecr)
        # What the last completed scan found is there while the next one is under way.
        answer = ecr.describe_image_scan_findings(**again)
        assert answer["imageScanStatus"] == {"status": "IN_PROGRESS"}
        assert answer["imageScanFindings"]["findings"] == []

    def test_the_scan_on_push_counts(self, app: App, ecr: Any, oci: OciCaller) -> None:
        create(ecr, scan_on_push=True)
        push(oci)
        app.run_jobs()
        assert refusal(ecr.start_image_scan, repositoryName=REPOSITORY, imageId={"imageTag": "v1"})[
            0
        ] == ("LimitExceededException")

    def test_enhanced(self, ecr: Any, oci: OciCaller) -> None:
        create(ecr)
        push(oci)
        configure(ecr, "ENHANCED")
        assert refusal(
            ecr.start_image_scan, repositoryName=REPOSITORY, imageId={"imageTag": "v1"}
        ) == ("ValidationException", "This feature is disabled")

    def test_archived(self, app: App, ecr: Any, oci: OciCaller) -> None:
        create(ecr)
        push(oci)
        for archived in ("ARCHIVED", "ACTIVATING"):
            change_status(app, archived)
            assert refusal(
                ecr.start_image_scan, repositoryName=REPOSITORY, imageId={"imageTag": "v1"}
            ) == (
                "ImageArchivedException",
                "The specified image is archived and cannot be scanned.",
            )
        assert not_scanned(ecr)[0] == "ScanNotFoundException"
        change_status(app, "ACTIVE")
        start(ecr)
        app.run_jobs()
        change_status(app, "ARCHIVED")
        answer = ecr.describe_image_scan_findings(
            repositoryName=REPOSITORY, imageId={"imageTag": "v1"}
        )
        assert answer["imageScanStatus"]["status"] == "IMAGE_ARCHIVED"
        assert "imageScanFindings" not in answer

    @pytest.mark.parametrize("what", ["index", "chart", "signature"])
    def test_unsupported(self, ecr: Any, oci: OciCaller, what: str) -> None:
        create(ecr, scan_on_push=True)
        if what == "index":
            media_type = OCI_INDEX
            oci.push(REPOSITORY, make_index([make_image()]), "v1")
        else:
            media_type = (
                "application/vnd.cncf.helm.config.v1+json"
                if what == "chart"
                else "application/vnd.dev.cosign.simplesigning.v1+json"
            )
            config = Blob(media_type if what == "chart" else OCI_CONFIG, b'{"a":1}')
            layer = Blob(
                "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
                if what == "chart"
                else media_type,
                what.encode(),
            )
            for blob in (config, layer):
                oci.push_blob(REPOSITORY, blob.data)
            document = {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "config": config.descriptor(),
                "layers": [layer.descriptor()],
            }
            oci.push(REPOSITORY, json_blob(OCI_MANIFEST, document), "v1")
        assert refusal(
            ecr.start_image_scan, repositoryName=REPOSITORY, imageId={"imageTag": "v1"}
        ) == (
            "UnsupportedImageTypeException",
            f"An artifact with media type '{media_type}' cannot be scanned. For more "
            "information, see the Amazon ECR documentation.",
        )

    @pytest.mark.parametrize("operation", ["start_image_scan", "describe_image_scan_findings"])
    def test_missing(self, ecr: Any, oci: OciCaller, operation: str) -> None:
        call = getattr(ecr, operation)
        assert refusal(call, repositoryName=REPOSITORY, imageId={"imageTag": "v1"}) == (
            "RepositoryNotFoundException",
            f"The repository with name '{REPOSITORY}' does not exist in the registry with id "
            f"'{ACCOUNT}'",
        )
        create(ecr)
        push(oci)
        for image_id, digest, tag in (
            ({"imageTag": "v2"}, "null", "v2"),
            ({"imageDigest": MISSING}, MISSING, "null"),
            ({}, "null", "null"),
        ):
            assert refusal(call, repositoryName=REPOSITORY, imageId=image_id) == (
                "ImageNotFoundException",
                f"The image with imageId {{imageDigest:'{digest}', imageTag:'{tag}'}} does not "
                f"exist within the repository with name '{REPOSITORY}' in the registry with id "
                f"'{ACCOUNT}'",
            )


class TestEnhanced:
    def test_on_push(self, app: App, ecr: Any, oci: OciCaller) -> None:
        configure(ecr, "ENHANCED", rule("SCAN_ON_PUSH", "team"))
        app.run_jobs()
        create(ecr)
        push(oci)
        answer = ecr.describe_image_scan_findings(
            repositoryName=REPOSITORY, imageId={"imageTag": "v1"}
        )
        assert answer["imageScanStatus"] == PENDING
        assert "imageScanFindings" not in answer
        app.run_jobs()
        answer = ecr.describe_image_scan_findings(
            repositoryName=REPOSITORY, imageId={"imageTag": "v1"}
        )
        assert answer["imageScanStatus"] == COMPLETE
        assert answer["imageScanFindings"]["enhancedFindings"] == []
        assert "findings" not in answer["imageScanFindings"]
        # Scanned once, it stays what it was.
        app.clock.advance(timedelta(days=100))
        assert status(ecr) == COMPLETE

    def test_continuous_until_it_expires(self, app: App, ecr: Any, oci: OciCaller) -> None:
        configure(ecr, "ENHANCED", rule("CONTINUOUS_SCAN", "*"))
        app.run_jobs()
        create(ecr)
        image = push(oci)
        app.run_jobs()
        assert status(ecr) == CONTINUOUS
        app.clock.advance(timedelta(days=14) - timedelta(seconds=1))
        assert status(ecr) == CONTINUOUS
        app.clock.advance(timedelta(seconds=1))
        answer = ecr.describe_image_scan_findings(
            repositoryName=REPOSITORY, imageId={"imageTag": "v1"}
        )
        assert answer["imageScanStatus"] == EXPIRED
        assert "imageScanFindings" not in answer
        (detail,) = ecr.describe_images(repositoryName=REPOSITORY)["imageDetails"]
        assert detail["imageScanStatus"] == EXPIRED
        tag(ecr, image, "v2")
        assert status(ecr) == PENDING
        app.run_jobs()
        assert status(ecr) == CONTINUOUS

    def test_a_tag_prolongs(self, app: App, ecr: Any, oci: OciCaller) -> None:
        configure(ecr, "ENHANCED", rule("CONTINUOUS_SCAN", "*"))
        app.run_jobs()
        create(ecr)
        image = push(oci)
        app.run_jobs()
        app.clock.advance(timedelta(days=10))
        tag(ecr, image, "v2")
        assert app.run_jobs() == 0
        app.clock.advance(timedelta(days=10))
        assert status(ecr) == CONTINUOUS

    def test_takes_in_images_of_the_last_days(self, app: App, ecr: Any, oci: OciCaller) -> None:
        create(ecr)
        create(ecr, "other")
        push(oci, "old")
        app.clock.advance(timedelta(days=15))
        later = OciCaller(app, app.another_process().token())
        push(later, "new")
        push(later, "v1", "other")
        configure(ecr, "ENHANCED", rule("CONTINUOUS_SCAN", "team"))
        # The work to find the images, and the one image of this repository that is not old.
        assert app.run_jobs() == 2
        assert status(ecr, imageTag="new") == CONTINUOUS
        assert status(ecr, imageTag="old") == EXPIRED
        assert refusal(
            ecr.describe_image_scan_findings, repositoryName="other", imageId={"imageTag": "v1"}
        )[0] == ("ScanNotFoundException")
        app.clock.advance(timedelta(days=14))
        assert status(ecr, imageTag="new") == EXPIRED

    def test_scans_of_the_other_type_wait(self, app: App, ecr: Any, oci: OciCaller) -> None:
        create(ecr, scan_on_push=True)
        push(oci)
        app.run_jobs()
        assert status(ecr) == COMPLETE
        configure(ecr, "ENHANCED")
        assert not_scanned(ecr)[0] == "ScanNotFoundException"
        configure(ecr, "BASIC")
        assert status(ecr) == COMPLETE


class TestFindings:
    def test_pinned_before_the_push(self, app: App, ecr: Any, oci: OciCaller) -> None:
        create(ecr, scan_on_push=True)
        image = make_image(layers=1)
        found = [finding("CVE-1", "CRITICAL"), finding("CVE-2"), finding("CVE-3")]
        assert pin(app, image, findings=found) == {"status": "ok", "imageExists": False}
        oci.push(REPOSITORY, image, "v1")
        app.run_jobs()
        answer = ecr.describe_image_scan_findings(
            repositoryName=REPOSITORY, imageId={"imageTag": "v1"}
        )
        assert answer["imageScanStatus"] == {
            "status": "COMPLETE",
            "description": "The scan was completed successfully.",
        }
        assert answer["imageScanFindings"]["findings"] == found
        assert answer["imageScanFindings"]["findingSeverityCounts"] == {"CRITICAL": 1, "HIGH": 2}
        (detail,) = ecr.describe_images(repositoryName=REPOSITORY)["imageDetails"]
        counts = detail["imageScanFindingsSummary"]["findingSeverityCounts"]
        assert counts == {"CRITICAL": 1, "HIGH": 2}

    def test_pinned_on_an_image_that_is_there(self, app: App, ecr: Any, oci: OciCaller) -> None:
        create(ecr)
        image = push(oci)
        assert pin(app, image, findings=[finding("CVE-1")])["imageExists"] is True
        assert status(ecr)["status"] == "COMPLETE"
        assert pin(app, image, findings=[])["imageExists"] is True
        answer = ecr.describe_image_scan_findings(
            repositoryName=REPOSITORY, imageId={"imageTag": "v1"}
        )
        assert answer["imageScanFindings"]["findings"] == []

    def test_unpin(self, app: App, ecr: Any, oci: OciCaller) -> None:
        create(ecr)
        image = push(oci)
        pin(app, image, findings=[finding("CVE-1")])
        naming = {
            "account": ACCOUNT,
            "region": REGION,
            "repositoryName": REPOSITORY,
            "imageDigest": image.manifest.digest,
        }
        assert control(app, "DELETE", naming).status_code == 200
        assert control(app, "DELETE", naming).status_code == 404
        app.clock.advance(A_DAY)
        start(ecr)
        app.run_jobs()
        assert status(ecr) == COMPLETE

    def test_paging(self, app: App, ecr: Any, oci: OciCaller) -> None:
        create(ecr)
        names = [f"CVE-2026-{number:04}" for number in range(250)]
        image = push(oci)
        pin(app, image, findings=[finding(name) for name in names])
        ask = {"repositoryName": REPOSITORY, "imageId": {"imageTag": "v1"}}
        first = ecr.describe_image_scan_findings(**ask)
        assert len(first["imageScanFindings"]["findings"]) == 100
        pages = list(
            ecr.get_paginator("describe_image_scan_findings").paginate(
                **ask, PaginationConfig={"PageSize": 60}
            )
        )
        sizes = [len(page["imageScanFindings"]["findings"]) for page in pages]
        assert sizes == [60, 60, 60, 60, 10]
        got = [item["name"] for page in pages for item in page["imageScanFindings"]["findings"]]
        assert got == names
        # All of it is counted on each page.
        counts = [page["imageScanFindings"]["findingSeverityCounts"] for page in pages]
        assert counts == [{"HIGH": 250}] * 5
        invalid = (
            "InvalidParameterException",
            "Invalid parameter at 'NextToken' failed to satisfy constraint: "
            "'Invalid next token provided'",
        )
        call = ecr.describe_image_scan_findings
        other = {**ask, "imageId": {"imageDigest": image.manifest.digest}}
        assert refusal(call, **other, nextToken=first["nextToken"]) == invalid
        assert refusal(call, **ask, nextToken="x") == invalid

    def test_enhanced_findings(self, app: App, ecr: Any, oci: OciCaller) -> None:
        configure(ecr, "ENHANCED", rule("CONTINUOUS_SCAN", "*"))
        create(ecr)
        image = push(oci)
        # The members of the API reference's sample.
        found = {
            "awsAccountId": ACCOUNT,
            "description": "A use after free.",
            "findingArn": f"arn:aws:inspector2:{REGION}:{ACCOUNT}:finding/1",
            "firstObservedAt": "2026-05-27T17:54:07.765000+00:00",
            "lastObservedAt": "2026-05-27T17:54:07Z",
            "packageVulnerabilityDetails": {
                "cvss": [
                    {
                        "baseScore": 8.1,
                        "scoringVector": "CVSS:3.1/AV:L/AC:H/PR:N/UI:N/S:C/C:H/I:H/A:H",
                        "source": "NVD",
                        "version": "3.1",
                    }
                ],
                "referenceUrls": ["https://example.com"],
                "relatedVulnerabilities": [],
                "source": "DEBIAN_CVE",
                "vendorCreatedAt": 1700000000,
                "vulnerabilityId": "CVE-2022-49043",
                "vulnerablePackages": [
                    {"arch": "AMD64", "epoch": 0, "name": "libxml2", "version": "2.9.14"}
                ],
            },
            "remediation": {"recommendation": {"text": "None Provided"}},
            "resources": [
                {
                    "details": {
                        "awsEcrContainerImage": {
                            "imageTags": ["v1"],
                            "pushedAt": "2026-05-27T17:53:50.554000+00:00",
                            "inUseCount": 1,
                        }
                    },
                    "id": "arn",
                    "tags": {},
                    "type": "AWS_ECR_CONTAINER_IMAGE",
                }
            ],
            "score": 8.1,
            "severity": "HIGH",
            "status": "ACTIVE",
            "title": "CVE-2022-49043 - libxml2",
            "type": "PACKAGE_VULNERABILITY",
            "updatedAt": "2026-05-27T17:54:07.765000+00:00",
            "fixAvailable": "NO",
        }
        pin(app, image, enhancedFindings=[found, {**found, "severity": "UNTRIAGED"}])
        answer = ecr.describe_image_scan_findings(
            repositoryName=REPOSITORY, imageId={"imageTag": "v1"}, maxResults=1
        )
        assert answer["imageScanStatus"] == {
            "status": "ACTIVE",
            "description": "Continuous scan is selected for image.",
        }
        (got,) = answer["imageScanFindings"]["enhancedFindings"]
        assert answer["imageScanFindings"]["findingSeverityCounts"] == {"HIGH": 1, "UNTRIAGED": 1}
        observed = datetime(2026, 5, 27, 17, 54, 7, 765000, tzinfo=timezone.utc)
        assert got["firstObservedAt"] == observed
        assert got["packageVulnerabilityDetails"]["vendorCreatedAt"].timestamp() == 1700000000
        assert got["score"] == 8.1
        pages = ecr.get_paginator("describe_image_scan_findings").paginate(
            repositoryName=REPOSITORY,
            imageId={"imageTag": "v1"},
            PaginationConfig={"PageSize": 1},
        )
        assert [len(page["imageScanFindings"]["enhancedFindings"]) for page in pages] == [1, 1]

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"findings": None}, "findings must be a list of objects"),
            ({"findings": [1]}, "findings must be a list of objects"),
            ({"findings": [{"nme": "x"}]}, "findings: ImageScanFinding has no member 'nme'"),
            (
                {"findings": [{"name": 1}]},
                "findings: a value of int where the model has a string",
            ),
            ({"enhancedFindings": [{"updatedAt": "x"}]}, "enhancedFindings: not a time"),
            ({"imageDigest": "sha256:1"}, "imageDigest is no digest"),
            ({"region": 1}, "region must be given as text"),
            ({"imageTag": "v1"}, "unknown member 'imageTag'"),
            ({}, "one of findings and enhancedFindings is needed"),
        ],
    )
    def test_refused(self, app: App, change: dict[str, Any], message: str) -> None:
        body = {
            "account": ACCOUNT,
            "region": REGION,
            "repositoryName": REPOSITORY,
            "imageDigest": MISSING,
            **change,
        }
        response = control(app, "PUT", body)
        assert response.status_code == 400
        assert response.get_json() == {"message": message}

    @pytest.mark.parametrize("body", [b"", b"[]", b"{", b"[" * 100_000, b"\xff"])
    def test_no_json(self, app: App, body: bytes) -> None:
        response = control(app, "PUT", body)
        assert response.status_code == 400

    def test_reset_takes_scans_and_pins(self, app: App, ecr: Any, oci: OciCaller) -> None:
        create(ecr)
        image = push(oci)
        pin(app, image, findings=[finding("CVE-1")])
        configure(ecr, "ENHANCED")
        assert control(app, "POST", {}, "reset").status_code == 200
        create(ecr, scan_on_push=True)
        oci.push(REPOSITORY, image, "v1")
        app.run_jobs()
        assert status(ecr) == COMPLETE

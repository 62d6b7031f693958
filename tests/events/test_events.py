"""Every event, member by member. Source: user guide, "Amazon ECR events and EventBridge"."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from ecr_emulator.arns import RegistryKey
from ecr_emulator.clock import SettableClock
from ecr_emulator.db.engine import Database
from ecr_emulator.registry.event_log import EventLog
from ecr_emulator.registry.event_queue import DeliveryQueue
from ecr_emulator.registry.events import RegistryEvents
from tests.events.support import ARN, check_envelope, logged, referrer_of
from tests.support.app import ACCOUNT, REGION, STRANGER, App, OciCaller, json_blob
from tests.support.images import (
    OCI_CONFIG,
    OCI_MANIFEST,
    Blob,
    Image,
    make_image,
    make_index,
)
from tests.support.public import push_layers
from tests.support.rootfs import debian, image_of

ELSEWHERE = "eu-west-1"
EMPTY = Blob("application/vnd.oci.empty.v1+json", b"{}")


def action(image: Any, kind: str, tag: str | None = None) -> dict[str, Any]:
    """Return the detail of an image's event."""
    detail = {
        "result": "SUCCESS",
        "repository-name": "app",
        "image-digest": image.manifest.digest,
        "action-type": kind,
    }
    return detail if tag is None else {**detail, "image-tag": tag}


def actions(app: App) -> list[dict[str, Any]]:
    found = logged(app, detail_type="ECR Image Action")
    assert all(event["resources"] == [] for event in found)
    return [event["detail"] for event in found]


@pytest.fixture
def image(ecr: Any) -> Image:
    ecr.create_repository(repositoryName="app")
    return make_image(1, 100)


def test_a_push_by_docker(app: App, oci: OciCaller, image: Image) -> None:
    oci.push("app", image, "latest")
    (event,) = logged(app)
    assert event == {
        "version": "0",
        "id": event["id"],
        "detail-type": "ECR Image Action",
        "source": "aws.ecr",
        "account": ACCOUNT,
        "time": app.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": REGION,
        "resources": [],
        "detail": action(image, "PUSH", "latest"),
    }


def test_a_push_by_the_api_and_one_event_for_each_tag(
    app: App, ecr: Any, oci: OciCaller, image: Image
) -> None:
    oci.push("app", image)
    for tag in ("a", "b"):
        ecr.put_image(
            repositoryName="app", imageManifest=image.manifest.data.decode(), imageTag=tag
        )
    assert actions(app) == [
        action(image, "PUSH"),
        action(image, "PUSH", "a"),
        action(image, "PUSH", "b"),
    ]


def test_a_refused_push_is_no_event(app: App, ecr: Any, oci: OciCaller, image: Image) -> None:
    oci.push("app", image, "latest")
    with pytest.raises(ecr.exceptions.ImageAlreadyExistsException):
        ecr.put_image(
            repositoryName="app", imageManifest=image.manifest.data.decode(), imageTag="latest"
        )
    oci.expect(400, "PUT", "/v2/app/manifests/bad", b"{}", {"Content-Type": OCI_MANIFEST})
    assert len(logged(app)) == 1


def test_an_index_and_its_images(app: App, oci: OciCaller, image: Image) -> None:
    index = make_index([image])
    oci.push("app", index, "many")
    assert actions(app) == [action(image, "PUSH"), action(index, "PUSH", "many")]


def test_deletes(app: App, ecr: Any, oci: OciCaller, image: Image) -> None:
    other, untagged = make_image(1, 100), make_image(1, 100)
    for tag in ("a", "b", "c"):
        oci.push("app", image, tag)
    oci.push("app", other, "d")
    oci.push("app", untagged)
    before = len(logged(app))
    ecr.batch_delete_image(repositoryName="app", imageIds=[{"imageTag": "a"}])
    ecr.batch_delete_image(
        repositoryName="app", imageIds=[{"imageDigest": image.manifest.digest}, {"imageTag": "no"}]
    )
    oci.expect(202, "DELETE", "/v2/app/manifests/d")
    ecr.batch_delete_image(
        repositoryName="app", imageIds=[{"imageDigest": untagged.manifest.digest}]
    )
    assert actions(app)[before:] == [
        action(image, "DELETE", "a"),
        action(image, "DELETE", "b"),
        action(image, "DELETE", "c"),
        action(other, "DELETE", "d"),
        action(untagged, "DELETE"),
    ]


def test_referrers_have_events_of_their_own(
    app: App, ecr: Any, oci: OciCaller, image: Image
) -> None:
    oci.push("app", image, "v1")
    oci.push_blob("app", EMPTY.data)
    signature = json_blob(OCI_MANIFEST, referrer_of(image, EMPTY))
    oci.push("app", signature)
    ecr.batch_delete_image(repositoryName="app", imageIds=[{"imageDigest": signature.digest}])
    pushed, deleted = logged(app, detail_type="ECR Referrer Action")
    detail = {
        "result": "SUCCESS",
        "repository-name": "app",
        "image-digest": signature.digest,
        "action-type": "PUSH",
        "manifest-media-type": OCI_MANIFEST,
        "artifact-media-type": "application/example.signature",
    }
    assert (pushed["resources"], pushed["detail"]) == ([], detail)
    assert deleted["detail"] == {**detail, "action-type": "DELETE"}
    assert actions(app) == [action(image, "PUSH", "v1")]


def test_into_the_archive_and_back(app: App, ecr: Any, oci: OciCaller, image: Image) -> None:
    for tag in ("a", "b"):
        oci.push("app", image, tag)
    detail = {
        **action(image, "UPDATE_STORAGE_CLASS"),
        "target-storage-class": "ARCHIVE",
        "manifest-media-type": OCI_MANIFEST,
        "artifact-media-type": OCI_CONFIG,
    }
    image_id = {"imageDigest": image.manifest.digest}
    for target in ("ARCHIVE", "STANDARD"):
        ecr.update_image_storage_class(
            repositoryName="app", imageId=image_id, targetStorageClass=target
        )
    assert actions(app)[2:] == [detail]
    app.run_jobs()
    restored = {
        **detail,
        "target-storage-class": "STANDARD",
        "last-activated-at": app.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    assert actions(app)[2:] == [detail, restored]
    ecr.update_image_storage_class(
        repositoryName="app", imageId=image_id, targetStorageClass="ARCHIVE"
    )
    oci.push("app", image, "a")
    assert actions(app)[4:] == [detail, restored, action(image, "PUSH", "a")]


def test_a_scan(app: App, ecr: Any, oci: OciCaller, image: Image) -> None:
    for tag in ("b", "a"):
        oci.push("app", image, tag)
    severities = ("HIGH", "LOW", "HIGH")
    pinned = app.request(
        "PUT",
        "/_emulator/scan-findings",
        json.dumps(
            {
                "account": ACCOUNT,
                "region": REGION,
                "repositoryName": "app",
                "imageDigest": image.manifest.digest,
                "findings": [
                    {"name": f"CVE-2026-{number}", "severity": severity}
                    for number, severity in enumerate(severities)
                ],
                "enhancedFindings": [],
            }
        ).encode(),
        environ={"REMOTE_ADDR": "127.0.0.1"},
    )
    assert pinned.status_code == 200, pinned.text
    app.clock.advance(timedelta(days=2))
    ecr.start_image_scan(repositoryName="app", imageId={"imageTag": "a"})
    app.run_jobs()
    first, second = logged(app, detail_type="ECR Image Scan")
    assert second["resources"] == [ARN]
    assert first["detail"] == second["detail"]
    assert second["detail"] == {
        "scan-status": "COMPLETE",
        "repository-name": "app",
        "finding-severity-counts": {"HIGH": 2, "LOW": 1},
        "image-digest": image.manifest.digest,
        "image-tags": ["a", "b"],
    }


def test_a_scan_that_fails(app: App, ecr: Any, oci: OciCaller, image: Image) -> None:
    # Its one layer holds no distribution of which packages could be read.
    oci.push("app", image, "v1")
    ecr.start_image_scan(repositoryName="app", imageId={"imageTag": "v1"})
    app.run_jobs()
    (event,) = logged(app, detail_type="ECR Image Scan")
    assert event["detail"] == {
        "scan-status": "FAILED",
        "repository-name": "app",
        "finding-severity-counts": {},
        "image-digest": image.manifest.digest,
        "image-tags": ["v1"],
    }


def test_the_first_enhanced_scan(app: App, ecr: Any, oci: OciCaller) -> None:
    """Amazon Inspector's; the sample is of the user guide's page on enhanced scanning."""
    ecr.put_registry_scanning_configuration(
        scanType="ENHANCED",
        rules=[
            {
                "scanFrequency": "CONTINUOUS_SCAN",
                "repositoryFilters": [{"filter": "*", "filterType": "WILDCARD"}],
            }
        ],
    )
    ecr.create_repository(repositoryName="scanned")
    scanned = image_of(debian([("libssl3", "3.0.11", "openssl")]))
    oci.push("scanned", scanned, "v1")
    app.run_jobs()
    # One that comes again is not told of.
    app.clock.advance(timedelta(days=31))
    app.oci().push("scanned", scanned, "v2")
    app.run_jobs()
    arn = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/scanned"
    (event,) = logged(app, source="aws.inspector2", detail_type="Inspector2 Scan")
    assert event["resources"] == [arn]
    assert event["detail"] == {
        "scan-status": "INITIAL_SCAN_COMPLETE",
        "repository-name": arn,
        "finding-severity-counts": {"CRITICAL": 0, "HIGH": 0, "MEDIUM": 0, "TOTAL": 0},
        "image-digest": scanned.manifest.digest,
        "image-tags": ["v1"],
    }
    assert logged(app, detail_type="ECR Image Scan") == []


def test_other_scan_frequencies(app: App, ecr: Any) -> None:
    for name in ("app", "base", "other"):
        ecr.create_repository(repositoryName=name)

    def configure(scan_type: str, **names: list[str]) -> None:
        ecr.put_registry_scanning_configuration(
            scanType=scan_type,
            rules=[
                {
                    "scanFrequency": frequency,
                    "repositoryFilters": [
                        {"filter": name, "filterType": "WILDCARD"} for name in filters
                    ],
                }
                for frequency, filters in names.items()
            ],
        )

    configure("BASIC", SCAN_ON_PUSH=["app"])
    assert logged(app) == []
    configure("ENHANCED", SCAN_ON_PUSH=["app"], CONTINUOUS_SCAN=["base"])
    configure("ENHANCED", CONTINUOUS_SCAN=["app", "base"])
    configure("ENHANCED", CONTINUOUS_SCAN=["base", "app"])
    _, event = logged(app)
    assert event["detail-type"] == "ECR Scan Resource Change"
    assert event["resources"] == [ARN]
    assert event["detail"] == {
        "action-type": "SCAN_FREQUENCY_CHANGE",
        "repositories": [
            {
                "repository-name": "app",
                "repository-arn": ARN,
                "scan-frequency": "CONTINUOUS_SCAN",
                "previous-scan-frequency": "SCAN_ON_PUSH",
            }
        ],
        "resource-type": "REPOSITORY",
        "scan-type": "ENHANCED",
    }


def test_replication(app: App, ecr: Any, oci: OciCaller, image: Image) -> None:
    ecr.put_replication_configuration(
        replicationConfiguration={
            "rules": [
                {
                    "destinations": [
                        {"region": ELSEWHERE, "registryId": ACCOUNT},
                        {"region": REGION, "registryId": STRANGER},
                    ]
                }
            ]
        }
    )
    oci.push("app", image, "v1")
    app.run_jobs()
    (there,) = logged(app, detail_type="ECR Replication Action", region=ELSEWHERE)
    assert there["account"] == ACCOUNT
    assert there["resources"] == [f"arn:aws:ecr:{ELSEWHERE}:{ACCOUNT}:repository/app"]
    detail = {
        "result": "SUCCESS",
        "repository-name": "app",
        "image-digest": image.manifest.digest,
        "source-account": ACCOUNT,
        "action-type": "REPLICATE",
        "source-region": REGION,
        "image-tag": "v1",
    }
    assert there["detail"] == detail
    # The stranger's registry policy does not let us.
    (refused,) = logged(app, account=STRANGER)
    assert refused["region"] == REGION
    assert refused["detail"] == {**detail, "result": "FAILED"}


def test_a_lifecycle_policy(app: App, ecr: Any, oci: OciCaller) -> None:
    ecr.create_repository(repositoryName="app")
    images = [make_image(1, 10) for _ in range(12)]
    for number, one in enumerate(images):
        app.clock.advance(timedelta(seconds=1))
        oci.push("app", one, f"t{number}")
    rule = {
        "rulePriority": 1,
        "description": "keep one",
        "selection": {
            "tagStatus": "tagged",
            "tagPrefixList": ["t"],
            "countType": "imageCountMoreThan",
            "countNumber": 1,
        },
        "action": {"type": "expire"},
    }
    ecr.put_lifecycle_policy(
        repositoryName="app", lifecyclePolicyText=json.dumps({"rules": [rule]})
    )
    app.clock.advance(timedelta(days=2))
    app.run_jobs()
    first, second = (event for event in logged(app, detail_type="AWS Service Event via CloudTrail"))
    record = first["detail"]
    details = record.pop("serviceEventDetails")
    assert record == {
        "eventVersion": "1.05",
        "userIdentity": {"accountId": ACCOUNT, "invokedBy": "AWS Internal"},
        "eventTime": first["time"],
        "eventSource": "ecr.amazonaws.com",
        "eventName": "PolicyExecutionEvent",
        "awsRegion": REGION,
        "sourceIPAddress": "AWS Internal",
        "userAgent": "AWS Internal",
        "requestParameters": None,
        "responseElements": None,
        "eventID": record["eventID"],
        "readOnly": True,
        "resources": [{"ARN": ARN, "accountId": ACCOUNT, "type": "AWS::ECR::Repository"}],
        "eventType": "AwsServiceEvent",
        "recipientAccountId": ACCOUNT,
    }
    assert details["repositoryName"] == "app"
    assert details["lifecycleEventFailureDetails"] == []
    assert details["lifecycleEventPolicy"]["lifecycleEventRules"] == [
        {
            "rulePriority": 1,
            "description": "keep one",
            "lifecycleEventSelection": {
                "tagStatus": "Tagged",
                "tagPrefixList": ["t"],
                "countType": "Image count more than",
                "countNumber": 1,
            },
            "action": "expire",
        }
    ]
    done = [
        *details["lifecycleEventImageActions"],
        *second["detail"]["serviceEventDetails"]["lifecycleEventImageActions"],
    ]
    assert len(details["lifecycleEventImageActions"]) == 9
    assert [entry["lifecycleEventImage"]["digest"] for entry in done] == [
        one.manifest.digest for one in images[:-1]
    ]
    assert done[0]["rulePriority"] == 1
    assert done[0]["lifecycleEventImage"]["tagList"] == ["t0"]
    deleted = [event for event in actions(app) if event["action-type"] == "DELETE"]
    assert [event["image-tag"] for event in deleted] == [f"t{number}" for number in range(11)]


def test_public_registries_are_silent(app: App) -> None:
    public = app.ecr(service="ecr-public")
    public.create_repository(repositoryName="app")
    image = make_image(1, 100)
    push_layers(public, "app", image)
    public.put_image(
        repositoryName="app", imageManifest=image.manifest.data.decode(), imageTag="v1"
    )
    public.batch_delete_image(repositoryName="app", imageIds=[{"imageTag": "v1"}])
    assert logged(app) == []


@pytest.mark.parametrize(
    ("failure", "status", "more"),
    [
        (None, "SUCCESS", {}),
        (
            ("UPSTREAM_UNAVAILABLE", "It did not answer."),
            "FAILURE",
            {"failure-code": "UPSTREAM_UNAVAILABLE", "failure-reason": "It did not answer."},
        ),
    ],
)
def test_the_pull_through_cache(
    app: App, failure: tuple[str, str] | None, status: str, more: dict[str, str]
) -> None:
    clock = SettableClock(datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc))
    database = Database(app.settings.database_url)
    log = EventLog(database, clock, DeliveryQueue())
    with database.write() as connection:
        RegistryEvents(log).pulled_through(
            connection,
            RegistryKey(ACCOUNT, REGION),
            "hub/library/app",
            prefix="hub",
            upstream_url="registry-1.docker.io",
            tag="3",
            digest="sha256:" + "0" * 64,
            failure=failure,
        )
    ((event),) = [entry.body for entry in log.find(limit=5)]
    database.close()
    check_envelope(event)
    assert event["time"] == "2026-01-02T03:04:05Z"
    assert event["detail-type"] == "ECR Pull Through Cache Action"
    assert event["resources"] == [f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/hub/library/app"]
    assert event["detail"] == {
        "rule-version": "1",
        "sync-status": status,
        "ecr-repository-prefix": "hub",
        "repository-name": "hub/library/app",
        "upstream-registry-url": "registry-1.docker.io",
        "image-tag": "3",
        "image-digest": "sha256:" + "0" * 64,
        **more,
    }

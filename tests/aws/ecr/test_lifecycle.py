"""Put-, Get-, DeleteLifecyclePolicy, Start-, GetLifecyclePolicyPreview, and lifecycle runs.

Sources: API reference (shapes, paging, the summary), user guide "Automate the cleanup of images
by using lifecycle policies"; echo as the CLI reference's samples have it; texts as moto's tests
and public issue threads have them from AWS, "likeliest" where registry/lifecycle_errors.py says
so. The algorithm has tests of its own (tests/registry/test_lifecycle_evaluation.py).
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecr_emulator.db.engine import Database
from ecr_emulator.jobs.queue import JobQueue
from ecr_emulator.registry.lifecycle_previews import LifecyclePreviews
from tests.support.app import ACCOUNT, REGION, STRANGER, App, OciCaller, json_blob
from tests.support.images import OCI_MANIFEST, Blob, Image, make_image, make_index
from tests.support.refusals import refusal

NAME = "team/app"
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MISSING = f"The repository with name 'missing' does not exist in the registry with id '{ACCOUNT}'"
IN_REPOSITORY = f"for the repository with name '{NAME}' in the registry with id '{ACCOUNT}'"


def rule(
    priority: int,
    tag_status: str = "any",
    *,
    count_type: str = "imageCountMoreThan",
    number: int = 1,
    archive: bool = False,
    **selection: Any,
) -> dict[str, Any]:
    """Return a rule; a count type of days gets its unit."""
    if count_type != "imageCountMoreThan":
        selection["countUnit"] = "days"
    action = {"type": "transition", "targetStorageClass": "archive"}
    return {
        "rulePriority": priority,
        "description": "as a test has it",
        "selection": {
            "tagStatus": tag_status,
            "countType": count_type,
            "countNumber": number,
            **selection,
        },
        "action": action if archive else {"type": "expire"},
    }


def text_of(*rules: dict[str, Any]) -> str:
    return json.dumps({"rules": list(rules)}, indent=2)


ONE_IMAGE = text_of(rule(1))
PUSHED_14_DAYS_AGO = text_of(rule(1, count_type="sinceImagePushed", number=14))
TO_ARCHIVE = text_of(rule(1, count_type="sinceImagePushed", number=14, archive=True))


def body(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer without boto3's own part."""
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def run(app: App) -> list[dict[str, Any]]:
    """Run every lifecycle policy; return what each run did."""
    response = app.request("POST", "/_emulator/lifecycle/run")
    assert response.status_code == 200
    return list(response.get_json()["runs"])


def push_signature(oci: OciCaller, repository: str, subject: Blob) -> str:
    """Push an artifact that refers to *subject*; return its digest."""
    config = Blob("application/vnd.example.signature", b"{}")
    layer = Blob("application/octet-stream", subject.data)
    for blob in (config, layer):
        oci.push_blob(repository, blob.data)
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": config.descriptor(),
        "layers": [layer.descriptor()],
        "subject": subject.descriptor(),
    }
    return oci.push(repository, json_blob(OCI_MANIFEST, manifest))


def statuses(ecr: Any, repository: str = NAME) -> dict[str, str]:
    """Return the status of every image by its digest."""
    pages = ecr.get_paginator("describe_images").paginate(
        repositoryName=repository, filter={"imageStatus": "ANY"}
    )
    return {
        item["imageDigest"]: item["imageStatus"] for page in pages for item in page["imageDetails"]
    }


def preview(app: App, ecr: Any, text: str | None = None, **params: Any) -> dict[str, Any]:
    """Make a preview and return what it found."""
    given = {} if text is None else {"lifecyclePolicyText": text}
    ecr.start_lifecycle_policy_preview(repositoryName=NAME, **given)
    app.run_jobs()
    return body(ecr.get_lifecycle_policy_preview(repositoryName=NAME, **params))


@pytest.fixture
def repository(ecr: Any) -> str:
    ecr.create_repository(repositoryName=NAME)
    return NAME


@pytest.fixture
def aged(app: App, repository: str) -> list[Image]:
    """Three images, pushed a day apart, v0 first; two weeks and an hour after the first push."""
    pushed = []
    for number in range(3):
        image = make_image(layers=1, size=10)
        app.oci().push(repository, image, f"v{number}")
        pushed.append(image)
        app.clock.advance(DAY)
    app.clock.advance(11 * DAY + HOUR)
    return pushed


class TestPolicies:
    def test_the_echo_is_ecrs_own(self, ecr: Any, repository: str) -> None:
        text = text_of(rule(2), rule(1, "tagged", tagPrefixList=["v"]))
        answer = body(ecr.put_lifecycle_policy(repositoryName=NAME, lifecyclePolicyText=text))
        echoed = json.loads(answer["lifecyclePolicyText"])
        assert answer["lifecyclePolicyText"] == json.dumps(echoed, separators=(",", ":"))
        assert [item["rulePriority"] for item in echoed["rules"]] == [1, 2]
        assert list(echoed["rules"][0]["selection"]) == [
            "tagStatus",
            "tagPrefixList",
            "countType",
            "countNumber",
        ]
        expected = {
            "registryId": ACCOUNT,
            "repositoryName": NAME,
            "lifecyclePolicyText": answer["lifecyclePolicyText"],
        }
        assert answer == expected
        # Before its first run a policy has no lastEvaluatedAt.
        assert body(ecr.get_lifecycle_policy(repositoryName=NAME)) == expected
        assert body(ecr.delete_lifecycle_policy(repositoryName=NAME)) == expected

    def test_put_overwrites(self, ecr: Any, repository: str) -> None:
        ecr.put_lifecycle_policy(repositoryName=NAME, lifecyclePolicyText=ONE_IMAGE)
        ecr.put_lifecycle_policy(repositoryName=NAME, lifecyclePolicyText=PUSHED_14_DAYS_AGO)
        policy = ecr.get_lifecycle_policy(repositoryName=NAME, registryId=ACCOUNT)
        assert "sinceImagePushed" in policy["lifecyclePolicyText"]

    @pytest.mark.parametrize(
        "call",
        ["get_lifecycle_policy", "delete_lifecycle_policy", "start_lifecycle_policy_preview"],
    )
    def test_no_policy(self, ecr: Any, repository: str, call: str) -> None:
        assert refusal(getattr(ecr, call), repositoryName=NAME) == (
            "LifecyclePolicyNotFoundException",
            f"Lifecycle policy does not exist {IN_REPOSITORY}",
        )

    @pytest.mark.parametrize(
        ("call", "params"),
        [
            ("put_lifecycle_policy", {"lifecyclePolicyText": ONE_IMAGE}),
            ("get_lifecycle_policy", {}),
            ("delete_lifecycle_policy", {}),
            ("start_lifecycle_policy_preview", {"lifecyclePolicyText": ONE_IMAGE}),
            ("get_lifecycle_policy_preview", {}),
        ],
    )
    def test_no_repository(self, ecr: Any, call: str, params: dict[str, str]) -> None:
        answer = refusal(getattr(ecr, call), repositoryName="missing", **params)
        assert answer == ("RepositoryNotFoundException", MISSING)

    @pytest.mark.parametrize("call", ["put_lifecycle_policy", "start_lifecycle_policy_preview"])
    @pytest.mark.parametrize(
        ("text", "says"),
        [
            (
                text_of(rule(1), rule(1, "untagged")),
                "Lifecycle policy validation failure: Duplicate priority in multiple rules",
            ),
            (
                json.dumps({"rules": [rule(1)], "more": 1}),
                "Lifecycle policy validation failure: object instance has properties which are "
                'not allowed by the schema: ["more"]',
            ),
            ("{" * 100, "Could not map policyString into LifecyclePolicy."),
        ],
    )
    def test_what_is_no_policy(
        self, ecr: Any, repository: str, call: str, text: str, says: str
    ) -> None:
        code, message = refusal(getattr(ecr, call), repositoryName=NAME, lifecyclePolicyText=text)
        assert code == "InvalidParameterException"
        assert message.startswith(
            "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: '"
        )
        assert says in message

    def test_a_policy_goes_with_its_repository(self, ecr: Any, repository: str) -> None:
        ecr.put_lifecycle_policy(repositoryName=NAME, lifecyclePolicyText=ONE_IMAGE)
        ecr.delete_repository(repositoryName=NAME)
        ecr.create_repository(repositoryName=NAME)
        code, _ = refusal(ecr.get_lifecycle_policy, repositoryName=NAME)
        assert code == "LifecyclePolicyNotFoundException"

    def test_a_template_brings_one(self, app: App, ecr: Any, oci: OciCaller) -> None:
        ecr.create_repository_creation_template(
            prefix="made", appliedFor=["CREATE_ON_PUSH"], lifecyclePolicy=ONE_IMAGE
        )
        for tag in ("a", "b"):
            oci.push("made/here", make_image(layers=1, size=10), tag)
            app.clock.advance(HOUR)
        text = ecr.get_lifecycle_policy(repositoryName="made/here")["lifecyclePolicyText"]
        assert json.loads(text) == json.loads(ONE_IMAGE)
        app.run_jobs()
        assert len(statuses(ecr, "made/here")) == 1


class TestPreviews:
    def test_in_progress_then_complete(self, app: App, ecr: Any, aged: list[Image]) -> None:
        started = body(
            ecr.start_lifecycle_policy_preview(
                repositoryName=NAME, lifecyclePolicyText=PUSHED_14_DAYS_AGO
            )
        )
        assert started == {
            "registryId": ACCOUNT,
            "repositoryName": NAME,
            # To the byte as it was submitted.
            "lifecyclePolicyText": PUSHED_14_DAYS_AGO,
            "status": "IN_PROGRESS",
        }
        # While it goes on there is nothing to see, and no other can be started.
        found = body(ecr.get_lifecycle_policy_preview(repositoryName=NAME))
        assert found == {**started, "previewResults": []}
        again = {"repositoryName": NAME, "lifecyclePolicyText": ONE_IMAGE}
        assert refusal(ecr.start_lifecycle_policy_preview, **again) == (
            "LifecyclePolicyPreviewInProgressException",
            f"Lifecycle policy preview is in progress {IN_REPOSITORY}",
        )
        app.run_jobs()
        pushed_at = ecr.describe_images(repositoryName=NAME, imageIds=[{"imageTag": "v0"}])
        assert body(ecr.get_lifecycle_policy_preview(repositoryName=NAME)) == {
            **started,
            "status": "COMPLETE",
            "previewResults": [
                {
                    "imageTags": ["v0"],
                    "imageDigest": aged[0].manifest.digest,
                    "imagePushedAt": pushed_at["imageDetails"][0]["imagePushedAt"],
                    "action": {"type": "EXPIRE"},
                    "appliedRulePriority": 1,
                    "storageClass": "STANDARD",
                }
            ],
            "summary": {"expiringImageTotalCount": 1},
        }
        ecr.start_lifecycle_policy_preview(**again)
        # It does nothing.
        assert len(statuses(ecr)) == 3

    def test_of_the_repositorys_own_policy(self, app: App, ecr: Any, aged: list[Image]) -> None:
        put = ecr.put_lifecycle_policy(repositoryName=NAME, lifecyclePolicyText=TO_ARCHIVE)
        found = preview(app, ecr)
        assert found["lifecyclePolicyText"] == put["lifecyclePolicyText"]
        (result,) = found["previewResults"]
        assert result["action"] == {"type": "TRANSITION", "targetStorageClass": "ARCHIVE"}
        assert found["summary"] == {
            "expiringImageTotalCount": 0,
            "transitioningImageTotalCounts": [
                {"targetStorageClass": "ARCHIVE", "imageTotalCount": 1}
            ],
        }

    def test_nothing_to_do(self, app: App, ecr: Any, repository: str) -> None:
        found = preview(app, ecr, ONE_IMAGE)
        assert (found["status"], found["previewResults"]) == ("COMPLETE", [])
        assert found["summary"] == {"expiringImageTotalCount": 0}

    def test_none_was_started(self, ecr: Any, repository: str) -> None:
        assert refusal(ecr.get_lifecycle_policy_preview, repositoryName=NAME) == (
            "LifecyclePolicyPreviewNotFoundException",
            f"Lifecycle policy preview does not exist {IN_REPOSITORY}",
        )

    def test_pages(self, app: App, ecr: Any, oci: OciCaller, repository: str) -> None:
        digests = []
        for number in range(5):
            digests.append(oci.push(repository, make_image(layers=1, size=10), f"v{number}"))
            app.clock.advance(HOUR)
        preview(app, ecr, ONE_IMAGE)
        pages = list(
            ecr.get_paginator("get_lifecycle_policy_preview").paginate(
                repositoryName=NAME, PaginationConfig={"PageSize": 2}
            )
        )
        sizes = [len(page["previewResults"]) for page in pages]
        assert sizes == [2, 2]
        # From the oldest to the youngest; the youngest of all stays.
        listed = [item["imageDigest"] for page in pages for item in page["previewResults"]]
        assert listed == digests[:4]
        # A token is good for the preview it was given for, and no other.
        token = pages[0]["nextToken"]
        preview(app, ecr, ONE_IMAGE)
        assert refusal(ecr.get_lifecycle_policy_preview, repositoryName=NAME, nextToken=token) == (
            "InvalidParameterException",
            "Invalid parameter at 'NextToken' failed to satisfy constraint: "
            "'Invalid next token provided'",
        )

    @pytest.mark.parametrize("paging", [{"maxResults": 1}, {"nextToken": "any"}])
    def test_ids_or_pages(self, ecr: Any, repository: str, paging: dict[str, Any]) -> None:
        code, _ = refusal(
            ecr.get_lifecycle_policy_preview,
            repositoryName=NAME,
            imageIds=[{"imageTag": "v0"}],
            **paging,
        )
        assert code == "InvalidParameterException"

    def test_filters(self, app: App, ecr: Any, aged: list[Image]) -> None:
        v0, v1, v2 = (image.manifest.digest for image in aged)
        untagged = app.oci().push(NAME, make_image(layers=1, size=10))
        app.clock.advance(15 * DAY)
        preview(app, ecr, PUSHED_14_DAYS_AGO)

        def found(**params: Any) -> list[str]:
            answer = ecr.get_lifecycle_policy_preview(repositoryName=NAME, **params)
            # The summary is of the whole preview.
            assert answer["summary"] == {"expiringImageTotalCount": 4}
            return [item["imageDigest"] for item in answer["previewResults"]]

        assert found() == found(filter={"tagStatus": "ANY"}) == [v0, v1, v2, untagged]
        assert found(filter={"tagStatus": "TAGGED"}) == [v0, v1, v2]
        assert found(filter={"tagStatus": "UNTAGGED"}) == [untagged]
        assert found(imageIds=[{"imageTag": "v1"}, {"imageDigest": untagged}]) == [v1, untagged]
        both = [{"imageTag": "v1", "imageDigest": v1}, {"imageTag": "v1", "imageDigest": v2}]
        assert found(imageIds=both) == [v1]
        assert found(imageIds=[{"imageTag": "none"}, {}]) == []

    def test_an_untagged_image_has_an_empty_list(
        self, app: App, ecr: Any, oci: OciCaller, repository: str
    ) -> None:
        oci.push(NAME, make_image(layers=1, size=10))
        app.clock.advance(15 * DAY)
        (result,) = preview(app, ecr, PUSHED_14_DAYS_AGO)["previewResults"]
        assert result["imageTags"] == []

    def test_a_job_done_twice_finds_nothing_twice(
        self, app: App, ecr: Any, aged: list[Image]
    ) -> None:
        database = Database(app.settings.database_url)
        jobs = JobQueue(database, app.clock)
        previews = LifecyclePreviews(database, app.clock)
        ecr.start_lifecycle_policy_preview(
            repositoryName=NAME, lifecyclePolicyText=PUSHED_14_DAYS_AGO
        )
        job = jobs.claim()
        assert job is not None
        previews.make(job.payload)
        previews.make(job.payload)
        database.close()
        answer = ecr.get_lifecycle_policy_preview(repositoryName=NAME)
        assert len(answer["previewResults"]) == 1

    def test_one_that_never_ends_has_failed(self, app: App, ecr: Any, repository: str) -> None:
        ecr.start_lifecycle_policy_preview(repositoryName=NAME, lifecyclePolicyText=ONE_IMAGE)
        app.clock.advance(2 * HOUR)
        assert ecr.get_lifecycle_policy_preview(repositoryName=NAME)["status"] == "FAILED"
        ecr.start_lifecycle_policy_preview(repositoryName=NAME, lifecyclePolicyText=ONE_IMAGE)
        app.run_jobs()
        assert ecr.get_lifecycle_policy_preview(repositoryName=NAME)["status"] == "COMPLETE"


class TestRuns:
    def test_on_schedule(self, app: App, ecr: Any, aged: list[Image]) -> None:
        ecr.put_lifecycle_policy(repositoryName=NAME, lifecyclePolicyText=PUSHED_14_DAYS_AGO)
        app.run_jobs()
        assert len(statuses(ecr)) == 3
        app.clock.advance(HOUR)
        app.run_jobs()
        assert list(statuses(ecr)) == [image.manifest.digest for image in aged[1:]]
        evaluated_at = ecr.get_lifecycle_policy(repositoryName=NAME)["lastEvaluatedAt"]
        assert abs(evaluated_at - app.clock.now()) < timedelta(seconds=1)
        # And so on: each run queues the next, in whichever step the clock moves.
        app.clock.advance(DAY)
        app.run_jobs()
        assert list(statuses(ecr)) == [aged[2].manifest.digest]
        app.clock.advance(30 * DAY)
        assert app.run_jobs() == 1
        assert statuses(ecr) == {}
        assert body(ecr.delete_lifecycle_policy(repositoryName=NAME))["lastEvaluatedAt"]
        app.clock.advance(DAY)
        app.run_jobs()
        app.clock.advance(DAY)
        assert app.run_jobs() == 0

    def test_a_policy_put_again_has_one_schedule(self, app: App, ecr: Any, repository: str) -> None:
        for _ in range(3):
            ecr.put_lifecycle_policy(repositoryName=NAME, lifecyclePolicyText=ONE_IMAGE)
        app.clock.advance(HOUR)
        app.run_jobs()
        app.clock.advance(HOUR)
        assert app.run_jobs() == 1

    def test_on_demand(self, app: App, ecr: Any, aged: list[Image]) -> None:
        ecr.put_lifecycle_policy(repositoryName=NAME, lifecyclePolicyText=PUSHED_14_DAYS_AGO)
        ecr.create_repository(repositoryName="no/policy")
        response = app.request("POST", "/_emulator/lifecycle/run")
        assert response.get_json() == {
            "runs": [
                {
                    "registryId": ACCOUNT,
                    "region": REGION,
                    "repositoryName": NAME,
                    "expired": [aged[0].manifest.digest],
                    "archived": [],
                }
            ]
        }
        app.oci().refused(404, "MANIFEST_UNKNOWN", "GET", f"/v2/{NAME}/manifests/v0")
        # A second run finds nothing.
        (outcome,) = run(app)
        assert outcome["expired"] == []

    def test_on_demand_in_one_registry(self, app: App, ecr: Any, repository: str) -> None:
        ecr.put_lifecycle_policy(repositoryName=NAME, lifecyclePolicyText=ONE_IMAGE)
        for query, status, count in (
            (f"?account={ACCOUNT}&region={REGION}", 200, 1),
            (f"?account={STRANGER}&region={REGION}", 200, 0),
            (f"?account={ACCOUNT}", 400, None),
        ):
            response = app.request("POST", f"/_emulator/lifecycle/run{query}")
            assert response.status_code == status
            assert count is None or len(response.get_json()["runs"]) == count

    def test_archive(self, app: App, ecr: Any, aged: list[Image]) -> None:
        ecr.put_lifecycle_policy(repositoryName=NAME, lifecyclePolicyText=TO_ARCHIVE)
        (outcome,) = run(app)
        assert outcome["archived"] == [aged[0].manifest.digest]
        (detail,) = ecr.describe_images(repositoryName=NAME, imageIds=[{"imageTag": "v0"}])[
            "imageDetails"
        ]
        assert detail["imageStatus"] == "ARCHIVED"
        assert abs(detail["lastArchivedAt"] - app.clock.now()) < timedelta(seconds=1)

    def test_lists_first_then_what_they_list(
        self, app: App, ecr: Any, oci: OciCaller, repository: str
    ) -> None:
        index = make_index([make_image(layers=1, size=10), make_image(layers=1, size=10)])
        oci.push(NAME, index, "both")
        app.clock.advance(15 * DAY)
        ecr.put_lifecycle_policy(repositoryName=NAME, lifecyclePolicyText=PUSHED_14_DAYS_AGO)
        (outcome,) = run(app)
        assert outcome["expired"] == [index.manifest.digest]
        (outcome,) = run(app)
        assert set(outcome["expired"]) == {image.manifest.digest for image in index.images}

    def test_what_changed_meanwhile_stays(
        self, app: App, ecr: Any, aged: list[Image], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An image that got a tag between its evaluation and its turn is left for the next run."""
        from ecr_emulator.registry import lifecycle

        ecr.put_lifecycle_policy(repositoryName=NAME, lifecyclePolicyText=PUSHED_14_DAYS_AGO)
        evaluate = lifecycle.evaluate

        def evaluate_then_tag(*args: Any) -> Any:
            found = evaluate(*args)
            ecr.put_image(
                repositoryName=NAME,
                imageManifest=aged[0].manifest.data.decode(),
                imageTag="meanwhile",
            )
            return found

        monkeypatch.setattr(lifecycle, "evaluate", evaluate_then_tag)
        (outcome,) = run(app)
        assert outcome["expired"] == []
        assert len(statuses(ecr)) == 3

    def test_deletes_are_replicated(self, app: App, ecr: Any, aged: list[Image]) -> None:
        """A run deletes through what every delete goes through."""
        there = app.ecr(region="eu-west-1")
        rule_there = {
            "destinations": [{"region": "eu-west-1", "registryId": ACCOUNT}],
            "deleteReplication": {"enabled": True},
        }
        ecr.put_replication_configuration(replicationConfiguration={"rules": [rule_there]})
        copy = {"repositoryName": NAME, "imageManifest": aged[0].manifest.data.decode()}
        ecr.put_image(**copy, imageTag="again")
        app.run_jobs()
        assert len(statuses(there)) == 1
        ecr.put_lifecycle_policy(repositoryName=NAME, lifecyclePolicyText=PUSHED_14_DAYS_AGO)
        run(app)
        app.run_jobs()
        assert statuses(there) == {}


class TestReferrers:
    """User guide: referrers are expired or archived within 24 hours after their subject."""

    @pytest.mark.parametrize(
        ("text", "left"), [(PUSHED_14_DAYS_AGO, {}), (TO_ARCHIVE, {"ARCHIVED"})]
    )
    def test_a_run_takes_them_along(
        self, app: App, ecr: Any, oci: OciCaller, repository: str, text: str, left: set[str]
    ) -> None:
        image = make_image(layers=1, size=10)
        oci.push(NAME, image, "v1")
        app.clock.advance(DAY)
        signature = push_signature(app.oci(), NAME, image.manifest)
        app.clock.advance(14 * DAY)
        ecr.put_lifecycle_policy(repositoryName=NAME, lifecyclePolicyText=text)
        # The signature is not old enough by itself.
        found = preview(app, ecr)["previewResults"]
        assert [item["imageDigest"] for item in found] == [image.manifest.digest, signature]
        (outcome,) = run(app)
        assert outcome["expired"] + outcome["archived"] == [image.manifest.digest, signature]
        assert set(statuses(ecr).values()) == set(left)

    def test_they_follow_a_delete_where_there_is_a_policy(
        self, app: App, ecr: Any, oci: OciCaller
    ) -> None:
        for name, text in (("with", ONE_IMAGE), ("without", None)):
            ecr.create_repository(repositoryName=name)
            if text is not None:
                ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=text)
            image = make_image(layers=1, size=10)
            oci.push(name, image, "v1")
            signature = push_signature(oci, name, image.manifest)
            stored = oci.expect(200, "GET", f"/v2/{name}/manifests/{signature}")
            of_signature = push_signature(oci, name, Blob(OCI_MANIFEST, stored.data))
            oci.expect(202, "DELETE", f"/v2/{name}/manifests/{image.manifest.digest}")
            assert set(statuses(ecr, name)) == {signature, of_signature}
            app.run_jobs()
            assert len(statuses(ecr, name)) == (0 if text is not None else 2)

    def test_they_stay_when_the_subject_is_back(
        self, app: App, ecr: Any, oci: OciCaller, repository: str
    ) -> None:
        ecr.put_lifecycle_policy(repositoryName=NAME, lifecyclePolicyText=ONE_IMAGE)
        image = make_image(layers=1, size=10)
        oci.push(NAME, image, "v1")
        signature = push_signature(oci, NAME, image.manifest)
        ecr.batch_delete_image(repositoryName=NAME, imageIds=[{"imageTag": "v1"}])
        oci.push(NAME, image.manifest, "v1")
        app.run_jobs()
        assert set(statuses(ecr)) == {signature, image.manifest.digest}

    def test_they_follow_into_the_archive(
        self, app: App, ecr: Any, oci: OciCaller, repository: str
    ) -> None:
        ecr.put_lifecycle_policy(repositoryName=NAME, lifecyclePolicyText=ONE_IMAGE)
        image = make_image(layers=1, size=10)
        oci.push(NAME, image, "v1")
        signature = push_signature(oci, NAME, image.manifest)
        ecr.update_image_storage_class(
            repositoryName=NAME, imageId={"imageTag": "v1"}, targetStorageClass="ARCHIVE"
        )
        assert statuses(ecr)[signature] == "ACTIVE"
        app.run_jobs()
        assert statuses(ecr)[signature] == "ARCHIVED"


def the_same(found: dict[str, Any]) -> set[tuple[str, str]]:
    return {(item["imageDigest"], item["action"]["type"]) for item in found["previewResults"]}


#: What is pushed: its age in days, tags, and whether it is signed, an index, or archived.
PUSHES = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from([(), ("a",), ("b",), ("a", "b")]),
        st.sampled_from(["", "", "signed", "index", "archived"]),
    ),
    max_size=6,
)
RULES = st.lists(
    st.sampled_from(
        [
            rule(1, "tagged", tagPrefixList=["a"], number=1),
            rule(2, "tagged", tagPatternList=["*b"], count_type="sinceImagePushed", archive=True),
            rule(3, "untagged", count_type="sinceImagePushed", number=1),
            rule(4, count_type="sinceImagePulled", number=2, archive=True),
        ]
    ),
    min_size=1,
    unique_by=lambda item: item["rulePriority"],
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(pushes=PUSHES, rules=RULES)
def test_a_run_does_what_its_preview_shows(
    app: App, pushes: list[tuple[int, tuple[str, ...], str]], rules: list[dict[str, Any]]
) -> None:
    ecr = app.ecr()
    ecr.create_repository(repositoryName=NAME)
    try:
        for age, tags, kind in sorted(pushes, key=lambda item: -item[0]):
            oci = app.oci()
            image = make_image(layers=1, size=1)
            what = make_index([image]) if kind == "index" else image
            digest = oci.push(NAME, what)
            for tag in tags:
                oci.push(NAME, what.manifest, f"{tag}-{digest[-4:]}")
            if kind == "signed":
                push_signature(oci, NAME, what.manifest)
            if kind == "archived":
                ecr.update_image_storage_class(
                    repositoryName=NAME,
                    imageId={"imageDigest": digest},
                    targetStorageClass="ARCHIVE",
                )
            app.clock.advance(age * DAY)
        app.clock.advance(HOUR)
        before = statuses(ecr)
        ecr.put_lifecycle_policy(repositoryName=NAME, lifecyclePolicyText=text_of(*rules))
        promised = the_same(preview(app, ecr))
        (outcome,) = run(app)
        after = statuses(ecr)
        done = {(digest, "EXPIRE") for digest in before if digest not in after} | {
            (digest, "TRANSITION") for digest in after if after[digest] != before[digest]
        }
        assert promised == done
        assert done == {(digest, "EXPIRE") for digest in outcome["expired"]} | {
            (digest, "TRANSITION") for digest in outcome["archived"]
        }
    finally:
        ecr.delete_repository(repositoryName=NAME, force=True)

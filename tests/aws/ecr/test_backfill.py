"""StartReplicationBackfill, StopReplicationBackfill, ListReplicationBackfills,
DescribeReplicationBackfillResults, and the backfills themselves.

Sources: API reference (its descriptions of the operations and their members); user guide
"Replication backfill" (lifecycle, and when one fails by itself). The refusals' texts are
likeliest: no source shows ECR's.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, update

from ecr_emulator.db.replication_tables import backfill_items, backfills
from ecr_emulator.db.schema import images
from ecr_emulator.registry.replication_copy import ImageCopier
from tests.aws.ecr.test_replication import (
    ELSEWHERE,
    STRANGERS,
    configure,
    let_in,
    prefixes,
    rule,
    statuses,
    tags_at,
)
from tests.support.app import ACCOUNT, STRANGER, App, OciCaller
from tests.support.images import Image, make_image, make_index
from tests.support.refusals import refusal

IN_A_MINUTE = timedelta(minutes=1)
RETENTION = timedelta(days=90)


@pytest.fixture
def there(app: App) -> Any:
    """A client of the account's registry in the other region."""
    return app.ecr(region=ELSEWHERE["region"])


def push_tags(ecr: Any, oci: OciCaller, repository: str, count: int) -> Image:
    """Push one image with *count* tags, each of which is a replication of its own."""
    image = make_image(layers=1)
    oci.push(repository, image, "t000")
    for number in range(1, count):
        ecr.put_image(
            repositoryName=repository,
            imageManifest=image.manifest.data.decode(),
            imageTag=f"t{number:03}",
        )
    return image


def start(ecr: Any, destination: dict[str, str] = ELSEWHERE) -> str:
    answer = ecr.start_replication_backfill(destination=destination)
    return str(answer["replicationBackfillId"])


def describe(ecr: Any, backfill_id: str, **more: Any) -> dict[str, Any]:
    answer = ecr.describe_replication_backfill_results(replicationBackfillId=backfill_id, **more)
    del answer["ResponseMetadata"]
    return dict(answer)


def progress(total: int, completed: int, failed: int, *codes: str) -> dict[str, Any]:
    return {
        "totalReplicationCount": total,
        "completedReplicationCount": completed,
        "failedReplicationCount": failed,
        "failureCodes": list(codes),
    }


def shown(time: datetime) -> datetime:
    """Return *time* as answers show it, to the millisecond."""
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


class TestLife:
    def test_from_preparing_to_complete(
        self, app: App, ecr: Any, oci: OciCaller, there: Any
    ) -> None:
        ecr.create_repository(repositoryName="app")
        index = make_index([make_image()])
        oci.push("app", index, "v1")
        oci.push("app", index.manifest, "v2")
        child = index.images[0].manifest.digest
        configure(ecr, rule(ELSEWHERE))
        started_at = shown(app.clock.now())

        answer = ecr.start_replication_backfill(destination=ELSEWHERE)
        del answer["ResponseMetadata"]
        backfill_id = answer["replicationBackfillId"]
        assert str(UUID(backfill_id)) == backfill_id
        common = {
            "replicationBackfillId": backfill_id,
            "registryId": ACCOUNT,
            "destination": ELSEWHERE,
            "startedAt": started_at,
        }
        assert answer == {**common, "status": "PREPARING"}
        # No progress is told before the images to replicate are known.
        assert describe(ecr, backfill_id) == {**common, "status": "PREPARING", "results": []}

        app.clock.advance(IN_A_MINUTE)
        run_job(app)
        assert describe(ecr, backfill_id) == {
            **common,
            "status": "IN_PROGRESS",
            "progress": progress(3, 0, 0),
            "results": [],
        }
        app.run_jobs()
        # Each pair of image and tag is a replication of its own.
        assert describe(ecr, backfill_id) == {
            **common,
            "status": "COMPLETE",
            "progress": progress(3, 3, 0),
            "endedAt": started_at + IN_A_MINUTE,
            "results": [
                {
                    "repositoryName": "app",
                    "imageId": {"imageDigest": child},
                    "status": "COMPLETE",
                },
                *(
                    {
                        "repositoryName": "app",
                        "imageId": {"imageDigest": index.manifest.digest, "imageTag": tag},
                        "status": "COMPLETE",
                        "subImageFailureCodes": [],
                    }
                    for tag in ("v1", "v2")
                ),
            ],
        }
        assert tags_at(there, "app") == {child: [], index.manifest.digest: ["v1", "v2"]}
        assert statuses(ecr, "app", imageTag="v1") == [{**ELSEWHERE, "status": "COMPLETE"}]

    def test_of_nothing_is_complete(self, app: App, ecr: Any) -> None:
        configure(ecr, rule(ELSEWHERE))
        backfill_id = start(ecr)
        app.run_jobs()
        found = describe(ecr, backfill_id)
        assert (found["status"], found["progress"]) == ("COMPLETE", progress(0, 0, 0))

    def test_takes_what_the_rules_send_to_its_destination(
        self, app: App, ecr: Any, oci: OciCaller, there: Any
    ) -> None:
        for name in ("dev", "dev/a", "o_o", "oto", "prod", "test"):
            ecr.create_repository(repositoryName=name)
            oci.push(name, make_image(layers=1), "v1")
        configure(
            ecr,
            rule(ELSEWHERE, repositoryFilters=prefixes("dev/", "o_o")),
            rule(ELSEWHERE, STRANGERS, repositoryFilters=prefixes("test")),
            rule(STRANGERS),
        )
        backfill_id = start(ecr)
        app.run_jobs()

        results = describe(ecr, backfill_id)["results"]
        assert [item["repositoryName"] for item in results] == ["dev/a", "o_o", "test"]
        made = [item["repositoryName"] for item in there.describe_repositories()["repositories"]]
        assert made == ["dev/a", "o_o", "test"]

    def test_leaves_archived_images_out(
        self, app: App, ecr: Any, oci: OciCaller, there: Any
    ) -> None:
        ecr.create_repository(repositoryName="app")
        archived, active = (oci.push("app", make_image(), tag) for tag in ("v1", "v2"))
        with app.application._database.write() as connection:
            connection.execute(
                update(images).where(images.c.digest == archived).values(status="ARCHIVED")
            )
        configure(ecr, rule(ELSEWHERE))
        start(ecr)
        app.run_jobs()
        assert tags_at(there, "app") == {active: ["v2"]}

    def test_leaves_what_is_there_as_it_is(
        self, app: App, ecr: Any, oci: OciCaller, there: Any
    ) -> None:
        ecr.create_repository(repositoryName="app")
        configure(ecr, rule(ELSEWHERE))
        digest = oci.push("app", make_image(), "v1")
        app.run_jobs()
        before = there.describe_images(repositoryName="app")["imageDetails"]
        app.clock.advance(IN_A_MINUTE)

        backfill_id = start(ecr)
        app.run_jobs()
        assert describe(ecr, backfill_id)["progress"] == progress(1, 1, 0)
        assert there.describe_images(repositoryName="app")["imageDetails"] == before
        assert [image["imageDigest"] for image in before] == [digest]

    def test_a_tag_that_is_immutable_there_stays(
        self, app: App, ecr: Any, oci: OciCaller, there: Any
    ) -> None:
        ecr.create_repository(repositoryName="app")
        there.create_repository(repositoryName="app", imageTagMutability="IMMUTABLE")
        own = app.oci(region=ELSEWHERE["region"]).push("app", make_image(), "v1")
        new = oci.push("app", make_image(), "v1")
        configure(ecr, rule(ELSEWHERE))
        start(ecr)
        app.run_jobs()
        assert tags_at(there, "app") == {own: ["v1"], new: []}

    def test_works_in_batches_and_bears_repeats(
        self, app: App, ecr: Any, oci: OciCaller, there: Any
    ) -> None:
        ecr.create_repository(repositoryName="app")
        image = push_tags(ecr, oci, "app", 230)
        configure(ecr, rule(ELSEWHERE))
        backfill_id = start(ecr)
        queue, functions = app.application.jobs._queue, app.application.jobs._functions
        while (job := queue.claim()) is not None:
            # A worker that dies when it has done the job, but has not said so.
            functions[job.kind](job.payload)
            functions[job.kind](job.payload)
            queue.done(job)
        found = describe(ecr, backfill_id, maxResults=1000)
        assert found["progress"] == progress(230, 230, 0)
        assert len(found["results"]) == 230
        assert len(tags_at(there, "app")[image.manifest.digest]) == 230

    def test_a_worker_that_dies_in_a_batch_loses_and_repeats_nothing(
        self, app: App, ecr: Any, oci: OciCaller, there: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ecr.create_repository(repositoryName="app")
        push_tags(ecr, oci, "app", 5)
        configure(ecr, rule(ELSEWHERE))
        backfill_id = start(ecr)
        run_job(app)
        calls = 0

        def die_at_the_third(copy: Callable[..., None], *args: Any) -> None:
            nonlocal calls
            calls += 1
            if calls == 3:
                raise KeyboardInterrupt
            copy(*args)

        wrap_copy(monkeypatch, die_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            app.run_jobs()
        assert describe(ecr, backfill_id)["progress"] == progress(5, 2, 0)
        app.clock.advance(timedelta(minutes=11))
        app.run_jobs()
        assert calls == 3 + 3
        found = describe(ecr, backfill_id)
        assert (found["status"], found["progress"]) == ("COMPLETE", progress(5, 5, 0))


class TestFailures:
    def test_of_few_replications_do_not_fail_the_backfill(
        self, app: App, ecr: Any, oci: OciCaller
    ) -> None:
        # The share of failures is looked at only when a hundred replications are done.
        ecr.create_repository(repositoryName="app")
        index = make_index([make_image()])
        oci.push("app", index, "v1")
        configure(ecr, rule(STRANGERS))
        backfill_id = start(ecr, STRANGERS)
        app.run_jobs()

        found = describe(ecr, backfill_id)
        assert found["status"] == "COMPLETE"
        assert "failureCode" not in found
        assert found["progress"] == progress(2, 0, 2, "AccessDenied")
        assert found["results"] == [
            {
                "repositoryName": "app",
                "imageId": {"imageDigest": index.images[0].manifest.digest},
                "status": "FAILED",
                "failureCode": "AccessDenied",
            },
            {
                "repositoryName": "app",
                "imageId": {"imageDigest": index.manifest.digest, "imageTag": "v1"},
                "status": "FAILED",
                "failureCode": "AccessDenied",
                "subImageFailureCodes": ["AccessDenied"],
            },
        ]
        (status,) = statuses(ecr, "app", imageTag="v1")
        assert status == {**STRANGERS, "status": "FAILED", "failureCode": "AccessDenied"}

    def test_of_half_of_a_hundred_fail_it(self, app: App, ecr: Any, oci: OciCaller) -> None:
        let_in(
            app.ecr(STRANGER),
            "ecr:ReplicateImage",
            "ecr:CreateRepository",
            Resource="arn:aws:ecr:*:*:repository/good",
        )
        for name in ("good", "bad"):
            ecr.create_repository(repositoryName=name)
            push_tags(ecr, oci, name, 60)
        configure(ecr, rule(STRANGERS))
        backfill_id = start(ecr, STRANGERS)
        app.run_jobs()

        # In the order of the pushes: sixty good ones; of the first hundred forty are bad.
        found = describe(ecr, backfill_id, maxResults=1000)
        assert found["status"] == "FAILED"
        assert found["failureCode"] == "ReplicationFailureThresholdExceeded"
        assert found["progress"] == progress(120, 60, 60, "AccessDenied")
        assert len(found["results"]) == 120
        assert "endedAt" in found

    def test_stop_it_where_the_share_is_reached(self, app: App, ecr: Any, oci: OciCaller) -> None:
        ecr.create_repository(repositoryName="app")
        push_tags(ecr, oci, "app", 130)
        configure(ecr, rule(STRANGERS))
        backfill_id = start(ecr, STRANGERS)
        app.run_jobs()

        found = describe(ecr, backfill_id, maxResults=1000)
        assert found["status"] == "FAILED"
        assert found["progress"] == progress(130, 0, 100, "AccessDenied")
        assert len(found["results"]) == 100
        assert start(ecr, STRANGERS) != backfill_id

    def test_fewer_than_half_do_not_fail_it(self, app: App, ecr: Any, oci: OciCaller) -> None:
        let_in(
            app.ecr(STRANGER),
            "ecr:ReplicateImage",
            "ecr:CreateRepository",
            Resource="arn:aws:ecr:*:*:repository/good",
        )
        for name, count in (("good", 61), ("bad", 60)):
            ecr.create_repository(repositoryName=name)
            push_tags(ecr, oci, name, count)
        configure(ecr, rule(STRANGERS))
        backfill_id = start(ecr, STRANGERS)
        app.run_jobs()
        found = describe(ecr, backfill_id)
        assert found["status"] == "COMPLETE"
        assert found["progress"] == progress(121, 61, 60, "AccessDenied")

    def test_an_image_that_is_gone_by_then(
        self, app: App, ecr: Any, oci: OciCaller, there: Any
    ) -> None:
        ecr.create_repository(repositoryName="app")
        ecr.create_repository(repositoryName="app2")
        gone = oci.push("app", make_image(), "v1")
        oci.push("app2", make_image(), "v1")
        kept = oci.push("app", make_image(), "v2")
        configure(ecr, rule(ELSEWHERE))
        backfill_id = start(ecr)
        run_job(app)
        ecr.batch_delete_image(repositoryName="app", imageIds=[{"imageDigest": gone}])
        ecr.delete_repository(repositoryName="app2", force=True)
        app.run_jobs()

        found = describe(ecr, backfill_id)
        assert found["progress"] == progress(3, 1, 2, "ImageNotFound", "RepositoryNotFound")
        (listed,) = ecr.list_replication_backfills()["backfills"]
        assert listed["progress"] == found["progress"]
        assert tags_at(there, "app") == {kept: ["v2"]}


class TestStart:
    @pytest.mark.parametrize("destination", [ELSEWHERE, {**STRANGERS, "region": "eu-west-1"}])
    def test_needs_a_rule_with_the_destination(self, ecr: Any, destination: dict[str, str]) -> None:
        configure(ecr, rule(STRANGERS))
        assert refusal(ecr.start_replication_backfill, destination=destination) == (
            "InvalidParameterException",
            "Invalid parameter at 'destination' failed to satisfy constraint: 'The destination "
            "must be configured in the registry's replication configuration'",
        )

    def test_one_at_a_time_for_a_region(self, app: App, ecr: Any) -> None:
        same_region = {**ELSEWHERE, "registryId": STRANGER}
        configure(ecr, rule(ELSEWHERE, STRANGERS, same_region))
        backfill_id = start(ecr)
        for destination in (ELSEWHERE, same_region):
            assert refusal(ecr.start_replication_backfill, destination=destination) == (
                "ReplicationBackfillInProgressException",
                "A replication backfill is already in progress for the destination region "
                f"'eu-west-1' in the registry with id '{ACCOUNT}'",
            )
        start(ecr, STRANGERS)
        app.run_jobs()
        assert start(ecr, same_region) != backfill_id

    def test_another_registrys_backfills_are_its_own(self, app: App, ecr: Any) -> None:
        stranger = app.ecr(STRANGER)
        configure(ecr, rule(ELSEWHERE))
        configure(stranger, rule(ELSEWHERE))
        start(ecr)
        start(stranger)
        assert len(ecr.list_replication_backfills()["backfills"]) == 1

    def test_ten_at_once(self, app: App, ecr: Any) -> None:
        destinations = [{"region": f"eu-west-{n}", "registryId": ACCOUNT} for n in range(11)]
        configure(ecr, rule(*destinations))
        for destination in destinations[:10]:
            start(ecr, destination)
        assert refusal(ecr.start_replication_backfill, destination=destinations[10]) == (
            "LimitExceededException",
            f"The registry with id '{ACCOUNT}' cannot have more than 10 replication backfills in "
            "progress",
        )
        app.run_jobs()
        start(ecr, destinations[10])


class TestStop:
    def test_while_preparing(self, app: App, ecr: Any, oci: OciCaller) -> None:
        ecr.create_repository(repositoryName="app")
        oci.push("app", make_image(), "v1")
        configure(ecr, rule(ELSEWHERE))
        started = ecr.start_replication_backfill(destination=ELSEWHERE)
        backfill_id = started["replicationBackfillId"]
        app.clock.advance(IN_A_MINUTE)

        stopped = ecr.stop_replication_backfill(replicationBackfillId=backfill_id)
        del started["ResponseMetadata"], stopped["ResponseMetadata"]
        assert stopped == {**started, "status": "STOPPED"}
        app.run_jobs()
        # Stopped before its images were known, it never has a progress.
        assert describe(ecr, backfill_id) == {
            **stopped,
            "endedAt": started["startedAt"] + IN_A_MINUTE,
            "results": [],
        }

    def test_between_two_replications(self, app: App, ecr: Any, oci: OciCaller, there: Any) -> None:
        ecr.create_repository(repositoryName="app")
        push_tags(ecr, oci, "app", 130)
        configure(ecr, rule(ELSEWHERE))
        backfill_id = start(ecr)
        run_job(app)
        run_job(app)
        answer = ecr.stop_replication_backfill(replicationBackfillId=backfill_id)
        assert answer["status"] == "STOPPED"
        app.run_jobs()

        found = describe(ecr, backfill_id, maxResults=1000)
        assert found["progress"] == progress(130, 100, 0)
        assert len(found["results"]) == 100
        (tags,) = tags_at(there, "app").values()
        assert len(tags) == 100
        start(ecr)

    def test_while_an_image_is_replicated(
        self, app: App, ecr: Any, oci: OciCaller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ecr.create_repository(repositoryName="app")
        push_tags(ecr, oci, "app", 5)
        configure(ecr, rule(ELSEWHERE))
        backfill_id = start(ecr)
        answers: list[Any] = []

        def stop_at_the_second(copy: Callable[..., None], *args: Any) -> None:
            answers.append(None)
            if len(answers) == 2:
                stopping = ecr.stop_replication_backfill(replicationBackfillId=backfill_id)
                assert stopping["status"] == "STOPPING"
                assert describe(ecr, backfill_id)["results"] == []
                code, message = refusal(
                    ecr.stop_replication_backfill, replicationBackfillId=backfill_id
                )
                assert code == "ReplicationBackfillInvalidStatusException"
                assert message.endswith("cannot be stopped because its status is 'STOPPING'")
                code, _ = refusal(ecr.start_replication_backfill, destination=ELSEWHERE)
                assert code == "ReplicationBackfillInProgressException"
            copy(*args)

        wrap_copy(monkeypatch, stop_at_the_second)
        app.run_jobs()
        # What was being replicated is brought to its end.
        found = describe(ecr, backfill_id)
        assert found["status"] == "STOPPED"
        assert found["progress"] == progress(5, 2, 0)
        assert [item["imageId"]["imageTag"] for item in found["results"]] == ["t000", "t001"]

    def test_what_has_ended_cannot_be_stopped(self, app: App, ecr: Any) -> None:
        configure(ecr, rule(ELSEWHERE))
        backfill_id = start(ecr)
        app.run_jobs()
        assert refusal(ecr.stop_replication_backfill, replicationBackfillId=backfill_id) == (
            "ReplicationBackfillInvalidStatusException",
            f"The replication backfill with id '{backfill_id}' cannot be stopped because its "
            "status is 'COMPLETE'",
        )


class TestLookUp:
    @pytest.mark.parametrize(
        "operation", ["describe_replication_backfill_results", "stop_replication_backfill"]
    )
    def test_what_is_not_there(self, app: App, ecr: Any, operation: str) -> None:
        stranger = app.ecr(STRANGER)
        configure(stranger, rule(ELSEWHERE))
        for backfill_id in (str(uuid4()), start(stranger)):
            assert refusal(getattr(ecr, operation), replicationBackfillId=backfill_id) == (
                "ReplicationBackfillNotFoundException",
                f"The replication backfill with id '{backfill_id}' does not exist in the registry "
                f"with id '{ACCOUNT}'",
            )
        code, _ = refusal(getattr(ecr, operation), replicationBackfillId="no-uuid")
        assert code == "ValidationException"

    def test_the_id_may_be_written_large(self, ecr: Any) -> None:
        configure(ecr, rule(ELSEWHERE))
        backfill_id = start(ecr)
        assert describe(ecr, backfill_id.upper())["replicationBackfillId"] == backfill_id

    def test_list_shows_the_last_first(self, app: App, ecr: Any) -> None:
        answer = ecr.list_replication_backfills(registryId=ACCOUNT)
        del answer["ResponseMetadata"]
        assert answer == {"registryId": ACCOUNT, "backfills": []}
        configure(ecr, rule(ELSEWHERE))
        first = start(ecr)
        app.run_jobs()
        app.clock.advance(IN_A_MINUTE)
        second = start(ecr)

        now = shown(app.clock.now())
        assert ecr.list_replication_backfills()["backfills"] == [
            {
                "replicationBackfillId": second,
                "destination": ELSEWHERE,
                "status": "PREPARING",
                "startedAt": now,
            },
            {
                "replicationBackfillId": first,
                "destination": ELSEWHERE,
                "status": "COMPLETE",
                "progress": progress(0, 0, 0),
                "startedAt": now - IN_A_MINUTE,
                "endedAt": now - IN_A_MINUTE,
            },
        ]

    def test_list_in_pages(self, app: App, ecr: Any) -> None:
        configure(ecr, rule(ELSEWHERE))
        ids = []
        for _ in range(27):
            ids.insert(0, start(ecr))
            app.run_jobs()
        # 25 when no number is named.
        page = ecr.list_replication_backfills()
        assert [item["replicationBackfillId"] for item in page["backfills"]] == ids[:25]
        rest = ecr.list_replication_backfills(nextToken=page["nextToken"])
        assert [item["replicationBackfillId"] for item in rest["backfills"]] == ids[25:]
        assert "nextToken" not in rest

        paginator = ecr.get_paginator("list_replication_backfills")
        pages = list(paginator.paginate(PaginationConfig={"PageSize": 10}))
        assert [len(page["backfills"]) for page in pages] == [10, 10, 7]
        code, _ = refusal(ecr.list_replication_backfills, maxResults=51)
        assert code == "ValidationException"
        assert "nextToken" not in ecr.list_replication_backfills(maxResults=27)

    def test_results_in_pages_and_by_status(self, app: App, ecr: Any, oci: OciCaller) -> None:
        let_in(
            app.ecr(STRANGER),
            "ecr:ReplicateImage",
            "ecr:CreateRepository",
            Resource="arn:aws:ecr:*:*:repository/good",
        )
        for name, count in (("good", 104), ("bad", 3)):
            ecr.create_repository(repositoryName=name)
            push_tags(ecr, oci, name, count)
        configure(ecr, rule(STRANGERS))
        backfill_id = start(ecr, STRANGERS)
        app.run_jobs()

        first = describe(ecr, backfill_id)
        assert len(first["results"]) == 100
        second = describe(ecr, backfill_id, nextToken=first["nextToken"])
        assert len(second["results"]) == 7
        assert "nextToken" not in second
        tags = [item["imageId"]["imageTag"] for item in first["results"] + second["results"]]
        assert tags == [f"t{n:03}" for n in range(104)] + ["t000", "t001", "t002"]

        def by_status(status: str, size: int) -> list[int]:
            paginator = ecr.get_paginator("describe_replication_backfill_results")
            pages = paginator.paginate(
                replicationBackfillId=backfill_id,
                resultStatusFilter=status,
                PaginationConfig={"PageSize": size},
            )
            found = [page["results"] for page in pages]
            assert {item["status"] for page in found for item in page} == {status}
            return [len(page) for page in found]

        assert by_status("FAILED", 2) == [2, 1]
        assert by_status("COMPLETE", 52) == [52, 52]

    def test_a_token_is_good_for_its_own_listing_only(
        self, app: App, ecr: Any, oci: OciCaller
    ) -> None:
        ecr.create_repository(repositoryName="app")
        push_tags(ecr, oci, "app", 3)
        configure(ecr, rule(ELSEWHERE))
        backfill_id = start(ecr)
        app.run_jobs()
        other = start(ecr)
        app.run_jobs()
        token = describe(ecr, backfill_id, maxResults=1)["nextToken"]
        invalid = (
            "InvalidParameterException",
            "Invalid parameter at 'NextToken' failed to satisfy constraint: "
            "'Invalid next token provided'",
        )
        describing = ecr.describe_replication_backfill_results
        assert (
            refusal(describing, replicationBackfillId=other, nextToken=token)
            == refusal(
                describing,
                replicationBackfillId=backfill_id,
                resultStatusFilter="COMPLETE",
                nextToken=token,
            )
            == refusal(describing, replicationBackfillId=backfill_id, nextToken="x" + token)
            == refusal(ecr.list_replication_backfills, nextToken=token)
            == invalid
        )

    def test_ninety_days_after_its_end_it_is_forgotten(
        self, app: App, ecr: Any, oci: OciCaller
    ) -> None:
        ecr.create_repository(repositoryName="app")
        oci.push("app", make_image(), "v1")
        configure(ecr, rule(ELSEWHERE))
        backfill_id = start(ecr)
        app.run_jobs()
        app.clock.advance(RETENTION - timedelta(seconds=1))
        running = start(ecr)
        assert len(ecr.list_replication_backfills()["backfills"]) == 2
        app.clock.advance(timedelta(seconds=1))

        (left,) = ecr.list_replication_backfills()["backfills"]
        assert left["replicationBackfillId"] == running
        code, _ = refusal(
            ecr.describe_replication_backfill_results, replicationBackfillId=backfill_id
        )
        assert code == "ReplicationBackfillNotFoundException"
        app.run_jobs()
        with app.application._database.read() as connection:
            assert connection.execute(select(func.count()).select_from(backfills)).scalar() == 1
            items = connection.execute(select(func.count()).select_from(backfill_items)).scalar()
            assert items == 1

    def test_what_is_running_is_shown_however_old(self, app: App, ecr: Any) -> None:
        configure(ecr, rule(ELSEWHERE))
        backfill_id = start(ecr)
        app.clock.advance(2 * RETENTION)
        assert describe(ecr, backfill_id)["status"] == "PREPARING"


class TestGivenUp:
    """What nobody foresaw ends what others wait for, once its job is given up."""

    @pytest.fixture(autouse=True)
    def no_copies(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object) -> None:
            raise OSError("the disk is gone")

        wrap_copy(monkeypatch, fail)

    def test_a_backfill_fails(self, app: App, ecr: Any, oci: OciCaller) -> None:
        ecr.create_repository(repositoryName="team/app")
        push_tags(ecr, oci, "team/app", 1)
        app.run_jobs()
        configure(ecr, rule(ELSEWHERE))
        backfill_id = start(ecr)
        for _ in range(8):
            app.run_jobs()
            app.clock.advance(timedelta(minutes=15))
        found = describe(ecr, backfill_id)
        assert (found["status"], found["failureCode"]) == ("FAILED", "InternalFailure")
        (listed,) = ecr.list_replication_backfills()["backfills"]
        assert (listed["status"], listed["failureCode"]) == ("FAILED", "InternalFailure")

    def test_a_replication_fails(self, app: App, ecr: Any, oci: OciCaller) -> None:
        configure(ecr, rule(ELSEWHERE))
        ecr.create_repository(repositoryName="team/app")
        push_tags(ecr, oci, "team/app", 1)
        for _ in range(8):
            app.run_jobs()
            app.clock.advance(timedelta(minutes=15))
        image_id = ecr.list_images(repositoryName="team/app")["imageIds"][0]
        (status,) = ecr.describe_image_replication_status(
            repositoryName="team/app", imageId=image_id
        )["replicationStatuses"]
        assert (status["status"], status["failureCode"]) == ("FAILED", "InternalFailure")


def run_job(app: App) -> None:
    """Do one job."""
    queue, functions = app.application.jobs._queue, app.application.jobs._functions
    job = queue.claim()
    assert job is not None
    functions[job.kind](job.payload)
    queue.done(job)


def wrap_copy(monkeypatch: pytest.MonkeyPatch, wrapper: Callable[..., None]) -> None:
    """Let *wrapper* be called, with the copying itself, in its place."""
    copy = ImageCopier.copy
    monkeypatch.setattr(
        ImageCopier,
        "copy",
        lambda copier, *args, **named: wrapper(lambda *rest: copy(copier, *rest, **named), *args),
    )

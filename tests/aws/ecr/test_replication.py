"""DescribeRegistry, PutReplicationConfiguration, DescribeImageReplicationStatus, replication.

Sources: API reference (shapes, limits, ``DeleteReplication``); user guide "Private image
replication", "Replicating image deletions", "Private registry permissions"; the refusals'
texts as the comments say.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from ecr_emulator.registry.replication_queue import REPLICATE_IMAGE
from tests.support.app import ACCOUNT, REGION, STRANGER, App, OciCaller
from tests.support.images import Image, make_image, make_index
from tests.support.refusals import refusal

OTHER_REGION = "eu-west-1"
ELSEWHERE = {"region": OTHER_REGION, "registryId": ACCOUNT}
STRANGERS = {"region": REGION, "registryId": STRANGER}
A_MINUTE = timedelta(minutes=1)


def rule(*destinations: dict[str, str], deletes: bool | None = None, **more: Any) -> dict[str, Any]:
    if deletes is not None:
        more["deleteReplication"] = {"enabled": deletes}
    return {"destinations": list(destinations), **more}


def prefixes(*names: str) -> list[dict[str, str]]:
    return [{"filter": name, "filterType": "PREFIX_MATCH"} for name in names]


def configure(client: Any, *rules: dict[str, Any]) -> None:
    client.put_replication_configuration(replicationConfiguration={"rules": list(rules)})


def let_in(client: Any, *actions: str, account: str = ACCOUNT, **members: Any) -> None:
    """Let *account* do *actions* in the registry of *client*."""
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
        "Action": list(actions),
        "Resource": "*",
        **members,
    }
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    client.put_registry_policy(policyText=text)


def statuses(client: Any, repository: str, **image_id: str) -> list[dict[str, str]]:
    answer = client.describe_image_replication_status(repositoryName=repository, imageId=image_id)
    return list(answer["replicationStatuses"])


def tags_at(client: Any, repository: str) -> dict[str, list[str]]:
    """Return the tags of each image of a repository by its digest."""
    pages = client.get_paginator("describe_images").paginate(repositoryName=repository)
    return {
        image["imageDigest"]: image.get("imageTags", [])
        for page in pages
        for image in page["imageDetails"]
    }


def repositories(client: Any) -> list[str]:
    return [item["repositoryName"] for item in client.describe_repositories()["repositories"]]


@pytest.fixture
def there(app: App) -> Any:
    """A client of the account's registry in the other region."""
    return app.ecr(region=OTHER_REGION)


@pytest.fixture
def stranger(app: App) -> Any:
    """A client of the other account's registry in the same region."""
    return app.ecr(STRANGER)


class TestConfiguration:
    def test_a_new_registry_replicates_nothing(self, ecr: Any) -> None:
        answer = ecr.describe_registry()
        answer.pop("ResponseMetadata")
        assert answer == {"registryId": ACCOUNT, "replicationConfiguration": {"rules": []}}

    @pytest.mark.parametrize(
        "rules",
        [
            [],
            [rule(ELSEWHERE)],
            [rule()],
            [rule(ELSEWHERE, STRANGERS, repositoryFilters=prefixes("prod", "team/"))],
            [
                rule(ELSEWHERE, deletes=True, repositoryFilters=prefixes("aa")),
                rule(ELSEWHERE, deletes=False, repositoryFilters=prefixes("bb")),
                rule(STRANGERS),
            ],
        ],
    )
    def test_what_is_put_is_described(self, ecr: Any, rules: list[dict[str, Any]]) -> None:
        configuration = {"rules": rules}
        answer = ecr.put_replication_configuration(replicationConfiguration=configuration)
        answer.pop("ResponseMetadata")

        assert answer == {"replicationConfiguration": configuration}
        assert ecr.describe_registry()["replicationConfiguration"] == configuration

    def test_put_overwrites(self, ecr: Any) -> None:
        configure(ecr, rule(ELSEWHERE))
        configure(ecr)
        assert ecr.describe_registry()["replicationConfiguration"] == {"rules": []}

    def test_a_configuration_is_one_accounts_in_one_region(
        self, ecr: Any, there: Any, stranger: Any
    ) -> None:
        configure(ecr, rule(ELSEWHERE))
        assert there.describe_registry()["replicationConfiguration"] == {"rules": []}
        assert stranger.describe_registry() | {"ResponseMetadata": None} == {
            "registryId": STRANGER,
            "replicationConfiguration": {"rules": []},
            "ResponseMetadata": None,
        }

    @pytest.mark.parametrize(
        ("rules", "text"),
        [
            # moto's tests have the first text from AWS; the live service said the second one's
            # words in 2026; the others are likeliest.
            pytest.param(
                [rule(ELSEWHERE, {"region": REGION, "registryId": ACCOUNT})],
                "Replication destination cannot be the same as the source registry",
                id="itself",
            ),
            pytest.param(
                [rule({"region": "cn-north-1", "registryId": ACCOUNT})],
                "Invalid region 'cn-north-1'",
                id="another partition",
            ),
            pytest.param(
                [rule({"region": "public", "registryId": STRANGER})],
                "Invalid region 'public'",
                id="no region",
            ),
            pytest.param(
                [rule(ELSEWHERE, ELSEWHERE)],
                "Replication destinations of a rule must be unique",
                id="a destination twice",
            ),
            pytest.param(
                [rule(ELSEWHERE, repositoryFilters=prefixes("prod", "prod"))],
                "Repository filters of a rule must be unique",
                id="a filter twice",
            ),
            pytest.param(
                [
                    rule({"region": OTHER_REGION, "registryId": f"{number:012}"})
                    for number in range(2)
                ]
                + [
                    rule(
                        *(
                            {"region": OTHER_REGION, "registryId": f"{number:012}"}
                            for number in range(26)
                        )
                    )
                ],
                "The number of unique replication destinations cannot exceed 25",
                id="too many destinations",
            ),
        ],
    )
    def test_what_ecr_does_not_take_is_refused(
        self, ecr: Any, rules: list[dict[str, Any]], text: str
    ) -> None:
        configuration = {"rules": rules}
        assert refusal(
            ecr.put_replication_configuration, replicationConfiguration=configuration
        ) == (
            "InvalidParameterException",
            "Invalid parameter at 'replicationConfiguration' failed to satisfy constraint: "
            f"'{text}'",
        )
        assert ecr.describe_registry()["replicationConfiguration"] == {"rules": []}

    def test_the_same_destination_may_stand_in_many_rules(self, ecr: Any) -> None:
        rules = [rule(ELSEWHERE, repositoryFilters=prefixes(f"a{number}")) for number in range(25)]
        configure(ecr, *rules)
        assert len(ecr.describe_registry()["replicationConfiguration"]["rules"]) == 25

    @pytest.mark.parametrize(
        "rules",
        [
            pytest.param([rule(STRANGERS)] * 26, id="26 rules"),
            pytest.param([rule(*[STRANGERS] * 101)], id="101 destinations in a rule"),
            pytest.param(
                [rule(STRANGERS, repositoryFilters=prefixes(*map("a{}".format, range(101))))],
                id="101 filters in a rule",
            ),
            # boto3 itself refuses an empty list of filters and a filter of one character.
            pytest.param([rule(STRANGERS, repositoryFilters=prefixes("A*"))], id="wild filter"),
            pytest.param(
                [rule(STRANGERS, repositoryFilters=[{"filter": "aa", "filterType": "REGEX"}])],
                id="filter type",
            ),
            pytest.param([rule({"region": "EU", "registryId": STRANGER})], id="region's form"),
            pytest.param([rule({"region": OTHER_REGION, "registryId": "1"})], id="account's form"),
        ],
    )
    def test_what_the_model_does_not_take_is_refused(
        self, ecr: Any, rules: list[dict[str, Any]]
    ) -> None:
        code, message = refusal(
            ecr.put_replication_configuration, replicationConfiguration={"rules": rules}
        )
        assert code == "ValidationException"
        assert "replicationConfiguration.rules" in message

    def test_china_replicates_within_china(self, app: App) -> None:
        beijing = app.ecr(region="cn-north-1")
        configure(beijing, rule({"region": "cn-northwest-1", "registryId": ACCOUNT}))
        _, message = refusal(
            beijing.put_replication_configuration,
            replicationConfiguration={"rules": [rule(ELSEWHERE)]},
        )
        assert f"Invalid region '{OTHER_REGION}'" in message


class TestStatus:
    def test_of_an_image_pushed_before_any_rule(self, ecr: Any, oci: OciCaller) -> None:
        ecr.create_repository(repositoryName="app")
        digest = oci.push("app", make_image(), "v1")

        answer = ecr.describe_image_replication_status(
            repositoryName="app", imageId={"imageTag": "v1"}
        )
        answer.pop("ResponseMetadata")
        assert answer == {
            "repositoryName": "app",
            "imageId": {"imageDigest": digest, "imageTag": "v1"},
            "replicationStatuses": [],
        }

    def test_goes_from_in_progress_to_complete(
        self, app: App, ecr: Any, oci: OciCaller, stranger: Any
    ) -> None:
        let_in(stranger, "ecr:ReplicateImage", "ecr:CreateRepository")
        ecr.create_repository(repositoryName="app")
        configure(ecr, rule(STRANGERS, ELSEWHERE))
        digest = oci.push("app", make_image(), "v1")

        in_progress = [
            {**ELSEWHERE, "status": "IN_PROGRESS"},
            {**STRANGERS, "status": "IN_PROGRESS"},
        ]
        assert statuses(ecr, "app", imageDigest=digest) == in_progress
        assert app.run_jobs() == 2
        complete = [{**ELSEWHERE, "status": "COMPLETE"}, {**STRANGERS, "status": "COMPLETE"}]
        assert statuses(ecr, "app", imageDigest=digest) == complete
        answer = ecr.describe_image_replication_status(
            repositoryName="app", imageId={"imageDigest": digest}
        )
        assert answer["imageId"] == {"imageDigest": digest}

    def test_errors(self, ecr: Any) -> None:
        digest = "sha256:" + "0" * 64
        assert refusal(
            ecr.describe_image_replication_status,
            repositoryName="none",
            imageId={"imageTag": "v1"},
        ) == (
            "RepositoryNotFoundException",
            f"The repository with name 'none' does not exist in the registry with id '{ACCOUNT}'",
        )
        ecr.create_repository(repositoryName="app")
        for image_id, shown in (
            ({"imageTag": "v1"}, "{imageDigest:'null', imageTag:'v1'}"),
            ({"imageDigest": digest}, f"{{imageDigest:'{digest}', imageTag:'null'}}"),
            ({}, "{imageDigest:'null', imageTag:'null'}"),
        ):
            assert refusal(
                ecr.describe_image_replication_status, repositoryName="app", imageId=image_id
            ) == (
                "ImageNotFoundException",
                f"The image with imageId {shown} does not exist within the repository with name "
                f"'app' in the registry with id '{ACCOUNT}'",
            )

    def test_a_second_tag_is_on_its_way_until_its_own_copy_arrives(
        self, app: App, ecr: Any, oci: OciCaller
    ) -> None:
        ecr.create_repository(repositoryName="app")
        configure(ecr, rule(ELSEWHERE))
        image = make_image()
        oci.push("app", image, "v1")
        oci.push("app", image, "v2")
        queue = app.application.jobs._queue
        first = queue.claim()
        assert first is not None
        functions = app.application.jobs._functions

        functions[first.kind](first.payload)
        assert statuses(ecr, "app", imageTag="v1") == [{**ELSEWHERE, "status": "IN_PROGRESS"}]
        queue.done(first)
        app.run_jobs()
        assert statuses(ecr, "app", imageTag="v1") == [{**ELSEWHERE, "status": "COMPLETE"}]


class TestPush:
    def test_arrives_in_the_other_region_by_either_door(
        self, app: App, ecr: Any, oci: OciCaller, there: Any
    ) -> None:
        ecr.create_repository(repositoryName="app")
        configure(ecr, rule(ELSEWHERE))
        pushed, put = make_image(layers=3), make_image(docker=True)
        oci.push("app", pushed, "pushed")
        for blob in put.blobs:
            oci.push_blob("app", blob.data)
        ecr.put_image(
            repositoryName="app", imageManifest=put.manifest.data.decode(), imageTag="put"
        )
        app.clock.advance(A_MINUTE)
        app.run_jobs()

        assert tags_at(there, "app") == {
            pushed.manifest.digest: ["pushed"],
            put.manifest.digest: ["put"],
        }
        here = app.oci(region=OTHER_REGION)
        for image in (pushed, put):
            for blob in image.blobs:
                path = f"/v2/app/blobs/{blob.digest}"
                assert here.expect(200, "GET", path).data == blob.data
            path = f"/v2/app/manifests/{image.manifest.digest}"
            assert here.expect(200, "GET", path).data == image.manifest.data
        source, copy = (
            client.describe_images(repositoryName="app", imageIds=[{"imageTag": "pushed"}])
            for client in (ecr, there)
        )
        source, copy = source["imageDetails"][0], copy["imageDetails"][0]
        assert (copy.pop("imagePushedAt") - source.pop("imagePushedAt")) == A_MINUTE
        assert "lastRecordedPullTime" not in source
        del copy["lastRecordedPullTime"]
        assert copy == source

    def test_makes_the_repository_with_default_settings(
        self, app: App, ecr: Any, oci: OciCaller, there: Any
    ) -> None:
        # Settings, policies and tags of repositories are not replicated.
        ecr.create_repository(
            repositoryName="team/app",
            imageTagMutability="IMMUTABLE",
            imageScanningConfiguration={"scanOnPush": True},
            tags=[{"Key": "team", "Value": "one"}],
        )
        configure(ecr, rule(ELSEWHERE))
        oci.push("team/app", make_image(), "v1")
        app.run_jobs()

        (made,) = there.describe_repositories()["repositories"]
        assert made["imageTagMutability"] == "MUTABLE"
        assert made["imageScanningConfiguration"] == {"scanOnPush": False}
        assert made["encryptionConfiguration"] == {"encryptionType": "AES256"}
        assert made["createdAt"] == app.clock.now().replace(
            microsecond=app.clock.now().microsecond // 1000 * 1000
        )
        arn = made["repositoryArn"]
        assert arn == f"arn:aws:ecr:{OTHER_REGION}:{ACCOUNT}:repository/team/app"
        assert there.list_tags_for_resource(resourceArn=arn)["tags"] == []
        code, _ = refusal(there.get_repository_policy, repositoryName="team/app")
        assert code == "RepositoryPolicyNotFoundException"

    def test_is_scanned_on_arrival_where_that_is_asked_for(
        self, app: App, ecr: Any, oci: OciCaller, there: Any
    ) -> None:
        for name, is_scanned in (("app", True), ("app2", False)):
            ecr.create_repository(repositoryName=name)
            there.create_repository(
                repositoryName=name, imageScanningConfiguration={"scanOnPush": is_scanned}
            )
            configure(ecr, rule(ELSEWHERE))
            oci.push(name, make_image(docker=True), "v1")
            app.run_jobs()
            asked = {"repositoryName": name, "imageId": {"imageTag": "v1"}}
            if is_scanned:
                assert there.describe_image_scan_findings(**asked)["imageScanStatus"]
            else:
                code, _ = refusal(there.describe_image_scan_findings, **asked)
                assert code == "ScanNotFoundException"

    def test_goes_to_every_destination_once(
        self, app: App, ecr: Any, oci: OciCaller, there: Any
    ) -> None:
        ecr.create_repository(repositoryName="app")
        south = {"region": "sa-east-1", "registryId": ACCOUNT}
        configure(
            ecr,
            rule(ELSEWHERE),
            rule(ELSEWHERE, south, repositoryFilters=prefixes("app")),
        )
        digest = oci.push("app", make_image(), "v1")
        assert app.run_jobs() == 2
        assert tags_at(there, "app") == {digest: ["v1"]}
        assert tags_at(app.ecr(region="sa-east-1"), "app") == {digest: ["v1"]}

    @pytest.mark.parametrize(
        ("filters", "replicated"),
        [
            (["prod"], ["prod", "prod/app", "production"]),
            (["prod/"], ["prod/app"]),
            (["dev", "prod/a"], ["dev", "prod/app"]),
            (["o_o"], ["o_o"]),
            (["none"], []),
        ],
    )
    def test_only_repositories_with_the_prefix(
        self,
        app: App,
        ecr: Any,
        oci: OciCaller,
        there: Any,
        filters: list[str],
        replicated: list[str],
    ) -> None:
        configure(ecr, rule(ELSEWHERE, repositoryFilters=prefixes(*filters)))
        image = make_image(layers=1)
        for name in ("dev", "prod", "prod/app", "production", "a/prod", "o_o", "oto"):
            ecr.create_repository(repositoryName=name)
            oci.push(name, image, "v1")
            expected = [{**ELSEWHERE, "status": "IN_PROGRESS"}] if name in replicated else []
            assert statuses(ecr, name, imageTag="v1") == expected
        app.run_jobs()
        assert repositories(there) == replicated

    def test_not_what_was_there_before(
        self, app: App, ecr: Any, oci: OciCaller, there: Any
    ) -> None:
        ecr.create_repository(repositoryName="app")
        old = make_image()
        oci.push("app", old, "old")
        configure(ecr, rule(ELSEWHERE))
        new = oci.push("app", make_image(), "new")
        app.run_jobs()
        assert tags_at(there, "app") == {new: ["new"]}

        # A new tag is a push of the image.
        oci.push("app", old, "again")
        app.run_jobs()
        assert tags_at(there, "app") == {new: ["new"], old.manifest.digest: ["again"]}

    def test_an_index_takes_its_images_along(
        self, app: App, ecr: Any, oci: OciCaller, there: Any
    ) -> None:
        ecr.create_repository(repositoryName="app")
        children = [make_image(), make_image(architecture="arm64")]
        for child in children:
            oci.push("app", child)
        inner = make_index(children)
        oci.push("app", inner.manifest)
        outer = make_index([Image(inner.manifest, children[0].config, (), "any"), children[0]])
        configure(ecr, rule(ELSEWHERE))
        oci.push("app", outer.manifest, "all")

        assert app.run_jobs() == 1
        assert statuses(ecr, "app", imageTag="all") == [{**ELSEWHERE, "status": "COMPLETE"}]
        assert tags_at(there, "app") == {
            children[0].manifest.digest: [],
            children[1].manifest.digest: [],
            inner.manifest.digest: [],
            outer.manifest.digest: ["all"],
        }

    def test_a_referrer_is_replicated_as_an_image(
        self, app: App, ecr: Any, oci: OciCaller, there: Any
    ) -> None:
        ecr.create_repository(repositoryName="app")
        configure(ecr, rule(ELSEWHERE))
        image, signature = make_image(), make_image(layers=1)
        subject = oci.push("app", image, "v1")
        body = json.loads(signature.manifest.data)
        body["subject"] = image.manifest.descriptor()
        referrer = type(signature.manifest)(
            signature.manifest.media_type, json.dumps(body).encode()
        )
        oci.push("app", Image(referrer, signature.config, signature.layers, "any"))
        app.run_jobs()

        answer = app.oci(region=OTHER_REGION).expect(200, "GET", f"/v2/app/referrers/{subject}")
        assert [item["digest"] for item in answer.get_json()["manifests"]] == [referrer.digest]

    def test_a_tag_moves_where_it_may_and_else_stays(
        self, app: App, ecr: Any, oci: OciCaller, there: Any
    ) -> None:
        # Where the tag is immutable the image comes without it, untagged if that was its only
        # one ("Considerations for private image replication").
        for name, mutability in (("moves", "MUTABLE"), ("stays", "IMMUTABLE")):
            ecr.create_repository(repositoryName=name)
            there.create_repository(repositoryName=name, imageTagMutability=mutability)
            own = app.oci(region=OTHER_REGION).push(name, make_image(), "v1")
            configure(ecr, rule(ELSEWHERE))
            new = oci.push(name, make_image(), "v1")
            app.run_jobs()

            expected = {own: [], new: ["v1"]} if name == "moves" else {own: ["v1"], new: []}
            assert tags_at(there, name) == expected
            assert statuses(ecr, name, imageTag="v1") == [{**ELSEWHERE, "status": "COMPLETE"}]

    def test_a_copy_is_not_replicated_again(
        self, app: App, ecr: Any, oci: OciCaller, there: Any
    ) -> None:
        south = {"region": "sa-east-1", "registryId": ACCOUNT}
        configure(ecr, rule(ELSEWHERE))
        configure(there, rule(south, {"region": REGION, "registryId": ACCOUNT}))
        ecr.create_repository(repositoryName="app")
        oci.push("app", make_image(), "v1")
        app.run_jobs()

        assert repositories(there) == ["app"]
        assert repositories(app.ecr(region="sa-east-1")) == []
        assert statuses(there, "app", imageTag="v1") == []

    def test_each_may_replicate_to_the_other(
        self, app: App, ecr: Any, oci: OciCaller, there: Any
    ) -> None:
        configure(ecr, rule(ELSEWHERE))
        configure(there, rule({"region": REGION, "registryId": ACCOUNT}))
        ecr.create_repository(repositoryName="app")
        here = oci.push("app", make_image(), "here")
        app.run_jobs()
        beyond = app.oci(region=OTHER_REGION).push("app", make_image(), "there")
        app.run_jobs()

        both = {here: ["here"], beyond: ["there"]}
        assert tags_at(ecr, "app") == tags_at(there, "app") == both

    def test_work_is_done_again_without_a_trace(
        self, app: App, ecr: Any, oci: OciCaller, there: Any
    ) -> None:
        ecr.create_repository(repositoryName="app")
        configure(ecr, rule(ELSEWHERE))
        digest = oci.push("app", make_index([make_image(), make_image()]), "v1")
        before = _jobs_run_twice(app)
        assert before == 3
        assert statuses(ecr, "app", imageDigest=digest) == [{**ELSEWHERE, "status": "COMPLETE"}]
        assert tags_at(there, "app")[digest] == ["v1"]
        assert len(tags_at(there, "app")) == 3

    def test_another_process_does_the_work(
        self, app: App, ecr: Any, oci: OciCaller, there: Any
    ) -> None:
        ecr.create_repository(repositoryName="app")
        configure(ecr, rule(ELSEWHERE))
        digest = oci.push("app", make_image(), "v1")
        assert app.another_process().run_jobs() == 1
        assert app.run_jobs() == 0
        assert tags_at(there, "app") == {digest: ["v1"]}

    def test_a_late_worker_leaves_the_newer_tag(
        self, app: App, ecr: Any, oci: OciCaller, there: Any
    ) -> None:
        ecr.create_repository(repositoryName="app")
        configure(ecr, rule(ELSEWHERE))
        old = oci.push("app", make_image(), "latest")
        queue, functions = app.application.jobs._queue, app.application.jobs._functions
        late = queue.claim()
        assert late is not None
        assert late.kind == REPLICATE_IMAGE
        new = oci.push("app", make_image(), "latest")
        app.run_jobs()
        functions[late.kind](late.payload)

        assert tags_at(there, "app") == {old: [], new: ["latest"]}

    def test_what_is_gone_before_it_was_replicated_is_dropped(
        self, app: App, ecr: Any, oci: OciCaller, there: Any
    ) -> None:
        configure(ecr, rule(ELSEWHERE))
        for name in ("app", "app2"):
            ecr.create_repository(repositoryName=name)
            oci.push(name, make_index([make_image()]), "v1")
        ecr.batch_delete_image(repositoryName="app", imageIds=[{"imageTag": "v1"}])
        ecr.delete_repository(repositoryName="app2", force=True)
        app.run_jobs()

        assert list(tags_at(there, "app").values()) == [[]]
        assert repositories(there) == ["app"]
        assert app.run_jobs() == 0

    def test_pushes_under_a_new_configuration_follow_it(
        self, app: App, ecr: Any, oci: OciCaller, there: Any
    ) -> None:
        ecr.create_repository(repositoryName="app")
        configure(ecr, rule(ELSEWHERE))
        oci.push("app", make_image(), "v1")
        app.run_jobs()
        configure(ecr)
        oci.push("app", make_image(), "v2")
        assert app.run_jobs() == 0
        assert list(tags_at(there, "app").values()) == [["v1"]]


class TestOtherAccount:
    """What the registry policy of the destination has to allow, and how its lack shows."""

    DENIED = [{**STRANGERS, "status": "FAILED", "failureCode": "AccessDenied"}]  # noqa: RUF012
    COMPLETE = [{**STRANGERS, "status": "COMPLETE"}]  # noqa: RUF012

    def push(self, app: App, ecr: Any, oci: OciCaller) -> list[dict[str, str]]:
        ecr.create_repository(repositoryName="app")
        configure(ecr, rule(STRANGERS))
        oci.push("app", make_index([make_image()]), "v1")
        app.run_jobs()
        return statuses(ecr, "app", imageTag="v1")

    def test_without_a_policy(self, app: App, ecr: Any, oci: OciCaller, stranger: Any) -> None:
        assert self.push(app, ecr, oci) == self.DENIED
        assert repositories(stranger) == []

    def test_with_both_actions(self, app: App, ecr: Any, oci: OciCaller, stranger: Any) -> None:
        let_in(stranger, "ecr:ReplicateImage", "ecr:CreateRepository")
        assert self.push(app, ecr, oci) == self.COMPLETE
        assert sorted(tags_at(stranger, "app").values()) == [[], ["v1"]]

    @pytest.mark.parametrize("is_there", [True, False])
    def test_without_create_repository_it_must_be_there(
        self, app: App, ecr: Any, oci: OciCaller, stranger: Any, is_there: bool
    ) -> None:
        let_in(stranger, "ecr:ReplicateImage")
        if is_there:
            stranger.create_repository(repositoryName="app")
        assert self.push(app, ecr, oci) == (self.COMPLETE if is_there else self.DENIED)

    def test_create_repository_alone_is_not_enough(
        self, app: App, ecr: Any, oci: OciCaller, stranger: Any
    ) -> None:
        let_in(stranger, "ecr:CreateRepository")
        stranger.create_repository(repositoryName="app")
        assert self.push(app, ecr, oci) == self.DENIED

    @pytest.mark.parametrize(
        ("members", "allowed"),
        [
            ({"Principal": {"AWS": "444455556666"}}, False),
            ({"Principal": "*"}, True),
            ({"Resource": f"arn:aws:ecr:{REGION}:{STRANGER}:repository/app"}, True),
            ({"Resource": f"arn:aws:ecr:{REGION}:{STRANGER}:repository/other"}, False),
            ({"Resource": f"arn:aws:ecr:{OTHER_REGION}:{STRANGER}:repository/*"}, False),
            ({"Effect": "Deny"}, False),
            ({"Condition": {"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}}, True),
            ({"Condition": {"StringEquals": {"aws:PrincipalAccount": STRANGER}}}, False),
        ],
    )
    def test_the_policy_is_evaluated(
        self,
        app: App,
        ecr: Any,
        oci: OciCaller,
        stranger: Any,
        members: dict[str, Any],
        allowed: bool,
    ) -> None:
        let_in(stranger, "ecr:ReplicateImage", "ecr:CreateRepository", **members)
        assert self.push(app, ecr, oci) == (self.COMPLETE if allowed else self.DENIED)

    def test_a_push_after_the_policy_was_put_right(
        self, app: App, ecr: Any, oci: OciCaller, stranger: Any
    ) -> None:
        assert self.push(app, ecr, oci) == self.DENIED
        let_in(stranger, "ecr:ReplicateImage", "ecr:CreateRepository")
        digest = oci.push("app", make_image(), "v1")
        app.run_jobs()
        assert statuses(ecr, "app", imageTag="v1") == self.COMPLETE
        assert tags_at(stranger, "app") == {digest: ["v1"]}

    def test_an_accounts_own_registries_need_no_policy_but_heed_a_deny(
        self, app: App, ecr: Any, oci: OciCaller, there: Any
    ) -> None:
        let_in(there, "ecr:ReplicateImage", Effect="Deny", Principal="*")
        ecr.create_repository(repositoryName="app")
        configure(ecr, rule(ELSEWHERE))
        oci.push("app", make_image(), "v1")
        app.run_jobs()
        (status,) = statuses(ecr, "app", imageTag="v1")
        assert (status["status"], status["failureCode"]) == ("FAILED", "AccessDenied")


class TestDeletes:
    """Rules of "Replicating image deletions in Amazon ECR", user guide."""

    def start(self, app: App, ecr: Any, oci: OciCaller, *tags: str, deletes: bool = True) -> str:
        """Push an image with *tags*, and wait until its copy is there."""
        ecr.create_repository(repositoryName="app")
        configure(ecr, rule(ELSEWHERE, deletes=deletes))
        image = make_image()
        for tag in tags:
            oci.push("app", image, tag)
        app.run_jobs()
        return image.manifest.digest

    @pytest.mark.parametrize("deletes", [False, None])
    def test_stay_at_home_unless_a_rule_says_otherwise(
        self, app: App, ecr: Any, oci: OciCaller, there: Any, deletes: Any
    ) -> None:
        digest = self.start(app, ecr, oci, "v1", "v2", deletes=deletes)
        for image_id in ({"imageTag": "v1"}, {"imageDigest": digest}):
            ecr.batch_delete_image(repositoryName="app", imageIds=[image_id])
        assert app.run_jobs() == 0
        assert tags_at(there, "app") == {digest: ["v1", "v2"]}

    def test_of_one_of_many_tags(self, app: App, ecr: Any, oci: OciCaller, there: Any) -> None:
        digest = self.start(app, ecr, oci, "v1", "v2")
        ecr.batch_delete_image(repositoryName="app", imageIds=[{"imageTag": "v1"}])
        app.run_jobs()
        assert tags_at(there, "app") == {digest: ["v2"]}

    def test_of_the_last_tag_takes_the_image_with_all_its_tags(
        self, app: App, ecr: Any, oci: OciCaller, there: Any
    ) -> None:
        digest = self.start(app, ecr, oci, "v1")
        there.put_image(
            repositoryName="app",
            imageTag="own",
            imageManifest=there.batch_get_image(
                repositoryName="app", imageIds=[{"imageDigest": digest}]
            )["images"][0]["imageManifest"],
        )
        ecr.batch_delete_image(repositoryName="app", imageIds=[{"imageTag": "v1"}])
        app.run_jobs()
        assert tags_at(there, "app") == {}

    def test_by_digest(self, app: App, ecr: Any, oci: OciCaller, there: Any) -> None:
        digest = self.start(app, ecr, oci, "v1", "v2")
        ecr.batch_delete_image(repositoryName="app", imageIds=[{"imageDigest": digest}])
        app.run_jobs()
        assert tags_at(there, "app") == {}

    def test_by_the_oci_door(self, app: App, ecr: Any, oci: OciCaller, there: Any) -> None:
        digest = self.start(app, ecr, oci, "v1", "v2")
        oci.expect(202, "DELETE", "/v2/app/manifests/v1")
        app.run_jobs()
        assert tags_at(there, "app") == {digest: ["v2"]}
        oci.expect(202, "DELETE", f"/v2/app/manifests/{digest}")
        app.run_jobs()
        assert tags_at(there, "app") == {}

    def test_a_tag_that_names_something_else_there_stays(
        self, app: App, ecr: Any, oci: OciCaller, there: Any
    ) -> None:
        digest = self.start(app, ecr, oci, "v1", "v2")
        own = app.oci(region=OTHER_REGION).push("app", make_image(), "v1")
        ecr.batch_delete_image(repositoryName="app", imageIds=[{"imageTag": "v1"}])
        app.run_jobs()
        assert tags_at(there, "app") == {digest: ["v2"], own: ["v1"]}

    def test_of_an_index_and_its_images_in_one_call(
        self, app: App, ecr: Any, oci: OciCaller, there: Any
    ) -> None:
        self.start(app, ecr, oci)
        index = make_index([make_image(), make_image()])
        oci.push("app", index, "v1")
        app.run_jobs()
        assert len(tags_at(there, "app")) == 3
        digests = [index.manifest.digest, *(image.manifest.digest for image in index.images)]
        gone = ecr.batch_delete_image(
            repositoryName="app", imageIds=[{"imageDigest": digest} for digest in digests]
        )
        assert gone["failures"] == []
        app.run_jobs()
        assert tags_at(there, "app") == {}

    def test_an_image_whose_index_goes_later_waits_for_it(
        self, app: App, ecr: Any, oci: OciCaller, there: Any
    ) -> None:
        self.start(app, ecr, oci)
        index = make_index([make_image()])
        oci.push("app", index, "v1")
        app.run_jobs()
        ecr.batch_delete_image(repositoryName="app", imageIds=[{"imageTag": "v1"}])
        child = index.images[0].manifest.digest
        ecr.batch_delete_image(repositoryName="app", imageIds=[{"imageDigest": child}])
        queue, functions = app.application.jobs._queue, app.application.jobs._functions
        of_index, of_child = queue.claim(), queue.claim()
        assert of_index is not None
        assert of_child is not None

        functions[of_child.kind](of_child.payload)
        assert len(tags_at(there, "app")) == 2
        functions[of_index.kind](of_index.payload)
        assert tags_at(there, "app") == {child: []}
        queue.done(of_index)
        queue.done(of_child)
        app.clock.advance(A_MINUTE)
        assert app.run_jobs() == 1
        assert tags_at(there, "app") == {}

    def test_an_image_that_an_index_there_still_lists_stays_for_good(
        self, app: App, ecr: Any, oci: OciCaller, there: Any
    ) -> None:
        self.start(app, ecr, oci)
        image = make_image()
        digest = oci.push("app", image, "v1")
        app.run_jobs()
        index = make_index([image])
        app.oci(region=OTHER_REGION).push("app", index.manifest, "own")
        ecr.batch_delete_image(repositoryName="app", imageIds=[{"imageDigest": digest}])
        tries = 0
        for _ in range(20):
            tries += app.run_jobs()
            app.clock.advance(A_MINUTE)
        assert tries == 6
        assert tags_at(there, "app") == {digest: ["v1"], index.manifest.digest: ["own"]}

    def test_what_was_pushed_again_stays(
        self, app: App, ecr: Any, oci: OciCaller, there: Any
    ) -> None:
        ecr.create_repository(repositoryName="app")
        configure(ecr, rule(ELSEWHERE, deletes=True))
        image = make_image()
        digest = oci.push("app", image, "v1")
        app.run_jobs()
        ecr.batch_delete_image(repositoryName="app", imageIds=[{"imageDigest": digest}])
        oci.push("app", image, "v1")
        app.run_jobs()
        assert tags_at(there, "app") == {digest: ["v1"]}

    def test_a_tag_taken_off_before_its_copy_does_not_come_back(
        self, app: App, ecr: Any, oci: OciCaller, there: Any
    ) -> None:
        ecr.create_repository(repositoryName="app")
        configure(ecr, rule(ELSEWHERE, deletes=True))
        image = make_image()
        oci.push("app", image, "v1")
        digest = oci.push("app", image, "v2")
        queue, functions = app.application.jobs._queue, app.application.jobs._functions
        late = queue.claim()
        assert late is not None
        assert late.payload["tag"] == "v1"
        oci.expect(202, "DELETE", "/v2/app/manifests/v1")
        app.run_jobs()
        functions[late.kind](late.payload)
        assert tags_at(there, "app") == {digest: ["v2"]}

    def test_need_the_other_accounts_consent(
        self, app: App, ecr: Any, oci: OciCaller, stranger: Any
    ) -> None:
        let_in(stranger, "ecr:ReplicateImage", "ecr:CreateRepository")
        ecr.create_repository(repositoryName="app")
        configure(ecr, rule(STRANGERS, deletes=True))
        digests = [oci.push("app", make_image(), tag) for tag in ("v1", "v2")]
        app.run_jobs()
        ecr.batch_delete_image(repositoryName="app", imageIds=[{"imageTag": "v1"}])
        app.run_jobs()
        assert tags_at(stranger, "app") == {digests[1]: ["v2"]}

        stranger.delete_registry_policy()
        ecr.batch_delete_image(repositoryName="app", imageIds=[{"imageTag": "v2"}])
        assert app.run_jobs() == 1
        assert tags_at(stranger, "app") == {digests[1]: ["v2"]}

    def test_do_not_go_on_from_the_copy(
        self, app: App, ecr: Any, oci: OciCaller, there: Any
    ) -> None:
        configure(there, rule({"region": REGION, "registryId": ACCOUNT}, deletes=True))
        digest = self.start(app, ecr, oci, "v1", "v2")
        oci.expect(202, "DELETE", "/v2/app/manifests/v1")
        oci.expect(202, "DELETE", "/v2/app/manifests/v2")
        app.run_jobs()
        assert tags_at(there, "app") == {digest: []}
        assert tags_at(ecr, "app") == {digest: []}


def _jobs_run_twice(app: App) -> int:
    """Do each due job twice, as when a worker dies before it can say that it is done."""
    queue, functions = app.application.jobs._queue, app.application.jobs._functions
    count = 0
    while (job := queue.claim()) is not None:
        functions[job.kind](job.payload)
        functions[job.kind](job.payload)
        queue.done(job)
        count += 1
    return count

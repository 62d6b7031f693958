"""What templates do: a push to a missing repository, replication, and which template it is.

Sources: user guide "Templates to control repositories created during a pull through cache,
create on push, or replication action" ("When there isn't a repository creation template that
matches the target repository for an image push, Amazon ECR will not create a repository with
default settings"; the role, "otherwise the repository creation will fail"). That a template
with KMS or tags and without a role leaves the repository missing is from public issue threads.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import Connection

from ecr_emulator.arns import RegistryKey, public_registry
from ecr_emulator.db.engine import Database
from ecr_emulator.quotas import ServiceQuotas
from ecr_emulator.registry.creation_template_store import CreationTemplates, TemplateChange
from ecr_emulator.registry.creation_templates import (
    CREATE_ON_PUSH,
    PULL_THROUGH_CACHE,
    REPLICATION,
    create_from_template,
    settings_for,
)
from ecr_emulator.registry.errors import RepositoryNotFound
from ecr_emulator.registry.repository_names import is_repository_name
from tests.aws.ecr.test_creation_templates import FULL, LIFECYCLE_POLICY, POLICY, ROLE, create
from tests.support.app import ACCOUNT, REGION, STRANGER, App, OciCaller
from tests.support.images import make_image, make_index
from tests.support.refusals import refusal

KEY = RegistryKey(ACCOUNT, REGION)
NOW = datetime(2026, 1, 2, tzinfo=timezone.utc)
QUOTAS = ServiceQuotas({})


def repositories(client: Any) -> list[str]:
    return [item["repositoryName"] for item in client.describe_repositories()["repositories"]]


def missing(name: str, account: str = ACCOUNT) -> str:
    return f"The repository with name '{name}' does not exist in the registry with id '{account}'"


@pytest.fixture
def database(app: App) -> Iterator[Database]:
    """The database of the application."""
    opened = Database(app.settings.database_url, durability="relaxed")
    yield opened
    opened.close()


class TestWhichTemplate:
    """The choice among a registry's templates."""

    @pytest.fixture
    def chosen(self, app: App, database: Database) -> Callable[..., str | None]:
        def choose(
            name: str, templates: dict[str, list[str]], scenario: str = CREATE_ON_PUSH
        ) -> str | None:
            store = CreationTemplates(database, (), ServiceQuotas({}), app.clock)
            for prefix, applied_for in templates.items():
                store.create(KEY, prefix, TemplateChange(applied_for=applied_for))
            found = settings_for(database.reader(), KEY, name, scenario)
            return None if found is None else found.prefix

        return choose

    @pytest.mark.parametrize(
        ("name", "prefixes", "expected"),
        [
            ("prod/app", [], None),
            ("prod/app", ["prod"], "prod"),
            ("prod/app", ["prod/"], "prod/"),
            ("prod/team/app", ["prod"], "prod"),
            # A slash is assumed behind the prefix.
            ("prod", ["prod"], None),
            ("production/app", ["prod"], None),
            ("prod/app", ["prod/app"], None),
            ("prod/app", ["app"], None),
            ("prod/app", ["prod/a"], None),
            # The longest wins.
            ("prod/team/app", ["prod", "prod/team", "prod/other", "ROOT"], "prod/team"),
            ("prod/teams/app", ["prod", "prod/team", "ROOT"], "prod"),
            # ROOT is for what no other covers, also for names without a slash.
            ("app", ["prod", "ROOT"], "ROOT"),
            ("test/app", ["prod", "ROOT"], "ROOT"),
            ("prod", ["prod", "ROOT"], "ROOT"),
        ],
    )
    def test_by_prefix(
        self, chosen: Callable[..., str | None], name: str, prefixes: list[str], expected: str
    ) -> None:
        assert chosen(name, {prefix: [CREATE_ON_PUSH] for prefix in prefixes}) == expected

    @pytest.mark.parametrize(
        ("scenario", "expected"),
        [
            (CREATE_ON_PUSH, "prod"),
            (REPLICATION, "prod/team"),
            (PULL_THROUGH_CACHE, "ROOT"),
        ],
    )
    def test_only_templates_that_are_applied_for_it_count(
        self, chosen: Callable[..., str | None], scenario: str, expected: str
    ) -> None:
        templates = {
            "prod/team": [REPLICATION],
            "prod": [CREATE_ON_PUSH, REPLICATION],
            "ROOT": [PULL_THROUGH_CACHE, REPLICATION],
        }
        assert chosen("prod/team/app", templates, scenario) == expected

    def test_a_template_of_another_registry_does_not_count(
        self, app: App, database: Database
    ) -> None:
        store = CreationTemplates(database, (), ServiceQuotas({}), app.clock)
        change = TemplateChange(applied_for=[CREATE_ON_PUSH])
        for key in (RegistryKey(STRANGER, REGION), RegistryKey(ACCOUNT, "eu-west-1")):
            store.create(key, "ROOT", change)
        assert settings_for(database.reader(), KEY, "app", CREATE_ON_PUSH) is None

    def test_a_name_with_very_many_segments(self, chosen: Callable[..., str | None]) -> None:
        name = "/".join("a" * 128)
        assert chosen(name, {"a": [CREATE_ON_PUSH], "a/a": [CREATE_ON_PUSH]}) == "a/a"


class TestCreating:
    """The function that replication and pull-through caches call too."""

    @pytest.fixture
    def connection(self, database: Database) -> Iterator[Connection]:
        with database.write() as connection:
            yield connection

    @pytest.mark.parametrize("scenario", [REPLICATION, PULL_THROUGH_CACHE])
    def test_without_a_template_settings_are_the_defaults(
        self, connection: Connection, scenario: str
    ) -> None:
        repository = create_from_template(connection, KEY, "team/app", scenario, NOW, QUOTAS)
        assert repository.name == "team/app"
        assert repository.created_at == NOW
        assert repository.tag_mutability.mode == "MUTABLE"
        assert (repository.encryption_type, repository.kms_key) == ("AES256", None)
        assert repository.policy_text is None
        assert (
            create_from_template(connection, KEY, "team/app", scenario, NOW, QUOTAS) == repository
        )

    def test_without_a_template_a_push_creates_nothing(self, connection: Connection) -> None:
        with pytest.raises(RepositoryNotFound, match=missing("team/app")):
            create_from_template(connection, KEY, "team/app", CREATE_ON_PUSH, NOW, QUOTAS)

    @pytest.mark.parametrize("name", ["A/b", "a", "a//b", "/a", "a/", "a_-b", "a" * 257, "a\n"])
    @pytest.mark.parametrize("scenario", [CREATE_ON_PUSH, REPLICATION])
    def test_names_that_no_repository_has(
        self, connection: Connection, name: str, scenario: str
    ) -> None:
        assert not is_repository_name(name)
        with pytest.raises(RepositoryNotFound):
            create_from_template(connection, KEY, name, scenario, NOW, QUOTAS)

    def test_a_public_registry_has_no_templates(self, connection: Connection) -> None:
        with pytest.raises(RepositoryNotFound):
            create_from_template(
                connection, public_registry(ACCOUNT), "app", CREATE_ON_PUSH, NOW, QUOTAS
            )


def start_upload(app: App, name: str) -> str:
    """Begin an upload at the OCI door; return the message when it is refused."""
    response = app.oci().request("POST", f"/v2/{name}/blobs/uploads/")
    if response.status_code == 202:
        return ""
    assert response.status_code == 404
    (error,) = response.get_json()["errors"]
    assert error["code"] == "NAME_UNKNOWN"
    return str(error["message"])


def put_manifest(app: App, name: str) -> str:
    """Put a manifest at the OCI door; its layers are missing where the repository is not."""
    manifest = make_image().manifest
    headers = {"Content-Type": manifest.media_type}
    path = f"/v2/{name}/manifests/1"
    response = app.oci().request("PUT", path, manifest.data, headers)
    (error,) = response.get_json()["errors"]
    if error["code"] == "MANIFEST_BLOB_UNKNOWN":
        return ""
    assert (response.status_code, error["code"]) == (404, "NAME_UNKNOWN")
    return str(error["message"])


def initiate_layer_upload(app: App, name: str) -> str:
    """Begin an upload at the AWS door."""
    ecr = app.ecr()
    try:
        ecr.initiate_layer_upload(repositoryName=name)
    except ecr.exceptions.RepositoryNotFoundException as error:
        return str(error.response["Error"]["Message"])
    return ""


def put_image(app: App, name: str) -> str:
    """Put a manifest at the AWS door; its layers are missing where the repository is not."""
    ecr = app.ecr()
    manifest = make_image().manifest.data.decode()
    try:
        ecr.put_image(repositoryName=name, imageManifest=manifest, imageTag="1")
    except ecr.exceptions.RepositoryNotFoundException as error:
        return str(error.response["Error"]["Message"])
    except ecr.exceptions.LayersNotFoundException:
        return ""
    raise AssertionError("an image without layers was stored")


def mount(app: App, name: str) -> str:
    """Mount a blob that is nowhere: an upload begins instead."""
    digest = make_image().config.digest
    response = app.oci().request(
        "POST", f"/v2/{name}/blobs/uploads/?mount={digest}&from=some/where"
    )
    if response.status_code == 202:
        return ""
    assert response.status_code == 404
    (error,) = response.get_json()["errors"]
    return str(error["message"])


def upload_in_one(app: App, name: str) -> str:
    """Upload a blob in one request."""
    blob = make_image().config
    response = app.oci().request(
        "POST", f"/v2/{name}/blobs/uploads/?digest={blob.digest}", blob.data
    )
    if response.status_code == 201:
        return ""
    assert response.status_code == 404
    (error,) = response.get_json()["errors"]
    return str(error["message"])


FIRST_STEPS = [start_upload, put_manifest, initiate_layer_upload, put_image, mount, upload_in_one]


@pytest.mark.parametrize("step", FIRST_STEPS)
class TestFirstStepOfAPush:
    """Every request that a push may begin with, by either door."""

    def test_it_creates_the_repository(self, app: App, ecr: Any, step: Any) -> None:
        create(ecr, "team", imageTagMutability="IMMUTABLE")
        created_at = app.clock.now()
        assert step(app, "team/app") == ""
        (repository,) = ecr.describe_repositories()["repositories"]
        assert repository["repositoryName"] == "team/app"
        assert repository["imageTagMutability"] == "IMMUTABLE"
        assert repository["createdAt"].replace(microsecond=0) == created_at.replace(microsecond=0)
        # The next push finds it.
        assert step(app, "team/app") == ""
        assert repositories(ecr) == ["team/app"]

    def test_without_a_template_the_repository_is_missing(
        self, app: App, ecr: Any, step: Any
    ) -> None:
        create(ecr, "other")
        create(ecr, "team/app")
        create(ecr, "ROOT", appliedFor=["REPLICATION", "PULL_THROUGH_CACHE"])
        create(app.ecr(region="eu-west-1"), "ROOT")
        assert step(app, "team/app") == missing("team/app")
        assert repositories(ecr) == []

    @pytest.mark.parametrize(
        "settings",
        [
            {"encryptionConfiguration": {"encryptionType": "KMS"}},
            {"resourceTags": [{"Key": "team", "Value": "a"}]},
        ],
    )
    def test_a_template_that_lacks_its_role_creates_nothing(
        self, app: App, ecr: Any, step: Any, settings: dict[str, Any]
    ) -> None:
        create(ecr, "team", **settings)
        assert step(app, "team/app") == missing("team/app")
        ecr.update_repository_creation_template(prefix="team", customRoleArn=ROLE)
        assert step(app, "team/app") == ""
        assert repositories(ecr) == ["team/app"]


class TestPush:
    def test_a_whole_push_by_the_oci_door(self, app: App, ecr: Any, oci: OciCaller) -> None:
        create(ecr, "ROOT")
        image = make_image()
        digest = oci.push("app", image, "1")
        (details,) = ecr.describe_images(repositoryName="app")["imageDetails"]
        assert (details["imageDigest"], details["imageTags"]) == (digest, ["1"])

        oci.push("team/index", make_index([make_image(), make_image()]), "1")
        assert repositories(ecr) == ["app", "team/index"]

    def test_the_settings_of_the_template(self, app: App, ecr: Any, oci: OciCaller) -> None:
        create(ecr, "team", **FULL)
        oci.push("team/app", make_image(), "1")
        (repository,) = ecr.describe_repositories()["repositories"]
        assert repository["imageTagMutability"] == FULL["imageTagMutability"]
        filters = "imageTagMutabilityExclusionFilters"
        assert repository[filters] == FULL[filters]
        assert repository["encryptionConfiguration"] == FULL["encryptionConfiguration"]
        assert repository["imageScanningConfiguration"] == {"scanOnPush": False}
        tags = ecr.list_tags_for_resource(resourceArn=repository["repositoryArn"])["tags"]
        assert sorted(tags, key=lambda tag: tag["Key"]) == sorted(
            FULL["resourceTags"], key=lambda tag: tag["Key"]
        )
        policy = ecr.get_repository_policy(repositoryName="team/app")["policyText"]
        assert json.loads(policy) == json.loads(POLICY)
        assert policy.startswith('{\n  "Version" : "2012-10-17"')
        # As PutLifecyclePolicy keeps it.
        ecr.create_repository(repositoryName="made")
        text = ecr.put_lifecycle_policy(
            repositoryName="made", lifecyclePolicyText=LIFECYCLE_POLICY
        )["lifecyclePolicyText"]
        kept = ecr.get_lifecycle_policy(repositoryName="team/app")
        assert kept["lifecyclePolicyText"] == text

    def test_the_lifecycle_policy_of_the_template_acts(
        self, app: App, ecr: Any, oci: OciCaller
    ) -> None:
        create(ecr, "team", lifecyclePolicy=LIFECYCLE_POLICY)
        oci.push("team/app", make_image())
        app.clock.advance(timedelta(days=13))
        app.run_jobs()
        assert len(ecr.list_images(repositoryName="team/app")["imageIds"]) == 1
        app.clock.advance(timedelta(days=2))
        app.run_jobs()
        assert ecr.list_images(repositoryName="team/app")["imageIds"] == []

    def test_kms_without_a_key_means_the_default_key(self, ecr: Any, oci: OciCaller) -> None:
        encryption = {"encryptionType": "KMS"}
        create(ecr, "team", encryptionConfiguration=encryption, customRoleArn=ROLE)
        oci.start_upload("team/app")
        made = ecr.create_repository(repositoryName="made", encryptionConfiguration=encryption)
        (repository,) = ecr.describe_repositories(repositoryNames=["team/app"])["repositories"]
        expected = made["repository"]["encryptionConfiguration"]
        assert repository["encryptionConfiguration"] == expected

    def test_a_key_of_another_region(self, ecr: Any, oci: OciCaller) -> None:
        key = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/0b8f6d1f-3c11-4f5e-9f5e-6f0d2b0c7a2f"
        encryption = {"encryptionType": "KMS", "kmsKey": key}
        create(ecr, "team", encryptionConfiguration=encryption, customRoleArn=ROLE)
        # InitiateLayerUpload and PutImage model KmsException.
        expected = ("KmsException", "Invalid arn eu-west-1")
        assert refusal(ecr.initiate_layer_upload, repositoryName="team/app") == expected
        response = oci.request("POST", "/v2/team/app/blobs/uploads/")
        assert response.status_code == 403
        assert repositories(ecr) == []

    def test_a_template_does_not_touch_what_is_there(self, ecr: Any, oci: OciCaller) -> None:
        oci_made = ecr.create_repository(repositoryName="team/app")["repository"]
        create(ecr, "team", **FULL)
        oci.push("team/app", make_image(), "1")
        assert ecr.describe_repositories()["repositories"] == [oci_made]

    def test_an_image_mounted_from_another_repository(self, ecr: Any, oci: OciCaller) -> None:
        ecr.put_account_setting(name="BLOB_MOUNTING", value="ENABLED")
        create(ecr, "copies")
        ecr.create_repository(repositoryName="original")
        image = make_image()
        oci.push("original", image, "1")
        for blob in image.blobs:
            path = f"/v2/copies/app/blobs/uploads/?mount={blob.digest}&from=original"
            oci.expect(201, "POST", path)
        headers = {"Content-Type": image.manifest.media_type}
        oci.expect(201, "PUT", "/v2/copies/app/manifests/1", image.manifest.data, headers)

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "manifests/1"),
            ("GET", f"blobs/sha256:{'0' * 64}"),
            ("HEAD", f"blobs/sha256:{'0' * 64}"),
            ("GET", "tags/list"),
            ("GET", f"referrers/sha256:{'0' * 64}"),
            ("DELETE", "manifests/1"),
            ("PATCH", "blobs/uploads/7b0f6d1f-3c11-4f5e-9f5e-6f0d2b0c7a2f"),
        ],
    )
    def test_only_a_push_creates(self, ecr: Any, oci: OciCaller, method: str, path: str) -> None:
        create(ecr, "ROOT")
        oci.expect(404, method, f"/v2/team/app/{path}")
        assert repositories(ecr) == []

    def test_a_stranger_creates_nothing(self, app: App, ecr: Any) -> None:
        create(ecr, "ROOT")
        stranger = app.oci(STRANGER, registry=ACCOUNT)
        assert "is not authorized to perform: ecr:InitiateLayerUpload" in stranger.refused(
            403, "DENIED", "POST", "/v2/team/app/blobs/uploads/"
        )
        call = app.ecr(STRANGER).initiate_layer_upload
        assert refusal(call, registryId=ACCOUNT, repositoryName="app")[0] == "AccessDeniedException"
        assert repositories(ecr) == []

    def test_pushes_at_once_to_two_processes_create_it_once(self, app: App, ecr: Any) -> None:
        create(ecr, "ROOT", **{**FULL, "appliedFor": ["CREATE_ON_PUSH"]})
        app.token()
        processes = [app, app.another_process()]
        callers = [process.oci() for process in processes] * 6

        def begin(caller: OciCaller) -> int:
            return caller.request("POST", "/v2/team/app/blobs/uploads/").status_code

        with ThreadPoolExecutor(len(callers)) as pool:
            assert set(pool.map(begin, callers)) == {202}
        (repository,) = ecr.describe_repositories()["repositories"]
        tags = ecr.list_tags_for_resource(resourceArn=repository["repositoryArn"])["tags"]
        assert len(tags) == len(FULL["resourceTags"])


class TestReplication:
    def test_by_the_template_at_the_destination(self, app: App, ecr: Any, oci: OciCaller) -> None:
        elsewhere = app.ecr(region="eu-west-1")
        settings = {**FULL, "appliedFor": ["REPLICATION"]}
        key = {"encryptionType": "AES256"}
        create(elsewhere, "team", **{**settings, "encryptionConfiguration": key})
        create(elsewhere, "ROOT", imageTagMutability="IMMUTABLE")
        ecr.put_replication_configuration(
            replicationConfiguration={
                "rules": [{"destinations": [{"region": "eu-west-1", "registryId": ACCOUNT}]}]
            }
        )
        for name in ("team/app", "other/app"):
            ecr.create_repository(repositoryName=name)
            oci.push(name, make_image(), "1")
        app.run_jobs()
        found = {
            item["repositoryName"]: item
            for item in elsewhere.describe_repositories()["repositories"]
        }
        assert found["team/app"]["imageTagMutability"] == FULL["imageTagMutability"]
        # The template for ROOT is for pushes alone.
        assert found["other/app"]["imageTagMutability"] == "MUTABLE"
        policy = elsewhere.get_repository_policy(repositoryName="team/app")["policyText"]
        assert json.loads(policy) == json.loads(POLICY)
        assert elsewhere.list_images(repositoryName="team/app")["imageIds"][0]["imageTag"] == "1"

    def test_a_template_that_lacks_its_role_fails_it(
        self, app: App, ecr: Any, oci: OciCaller
    ) -> None:
        elsewhere = app.ecr(region="eu-west-1")
        create(elsewhere, "ROOT", appliedFor=["REPLICATION"], resourceTags=FULL["resourceTags"])
        ecr.put_replication_configuration(
            replicationConfiguration={
                "rules": [{"destinations": [{"region": "eu-west-1", "registryId": ACCOUNT}]}]
            }
        )
        ecr.create_repository(repositoryName="app")
        oci.push("app", make_image(), "1")
        app.run_jobs()
        assert repositories(elsewhere) == []
        (status,) = ecr.describe_image_replication_status(
            repositoryName="app", imageId={"imageTag": "1"}
        )["replicationStatuses"]
        assert status["status"] == "FAILED"

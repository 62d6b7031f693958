"""CreateRepository, DescribeRepositories, DeleteRepository, PutImageTagMutability,
PutImageScanningConfiguration.

Sources: API reference; texts from public issue threads and moto's tests, which took them from
AWS; encryption's texts as the live service gave them in 2026.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.app import ACCOUNT, HOST, REGION, STRANGER, App, OciCaller
from tests.support.images import make_image
from tests.support.refusals import refusal

KEY_ID = "6f0d2b0c-7a2f-4c64-9f5e-0b8f6d1f3c11"
KEY_ARN = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{KEY_ID}"
EXCLUSION = {"filterType": "WILDCARD", "filter": "dev-*"}


def not_found(name: str, account: str = ACCOUNT) -> tuple[str, str]:
    return (
        "RepositoryNotFoundException",
        f"The repository with name '{name}' does not exist in the registry with id '{account}'",
    )


def invalid(member: str, constraint: str) -> tuple[str, str]:
    return (
        "InvalidParameterException",
        f"Invalid parameter at '{member}' failed to satisfy constraint: '{constraint}'",
    )


def milliseconds(time: datetime) -> datetime:
    """Return a time as precise as AWS gives it."""
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def create(client: Any, *names: str) -> None:
    for name in names:
        client.create_repository(repositoryName=name)


def names_of(answer: dict[str, Any]) -> list[str]:
    return [repository["repositoryName"] for repository in answer["repositories"]]


class TestCreate:
    def test_minimal(self, app: App, ecr: Any) -> None:
        assert ecr.create_repository(repositoryName="team/app")["repository"] == {
            "repositoryArn": f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/team/app",
            "registryId": ACCOUNT,
            "repositoryName": "team/app",
            "repositoryUri": f"{HOST}/team/app",
            "createdAt": milliseconds(app.clock.now()),
            "imageTagMutability": "MUTABLE",
            "imageScanningConfiguration": {"scanOnPush": False},
            "encryptionConfiguration": {"encryptionType": "AES256"},
        }

    def test_full(self, app: App, ecr: Any) -> None:
        created = ecr.create_repository(
            registryId=ACCOUNT,
            repositoryName="team/app",
            tags=[{"Key": "stage", "Value": "prod"}, {"Key": "empty", "Value": ""}],
            imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
            imageTagMutabilityExclusionFilters=[EXCLUSION],
            imageScanningConfiguration={"scanOnPush": True},
            encryptionConfiguration={"encryptionType": "KMS", "kmsKey": KEY_ID},
        )["repository"]
        assert created == {
            "repositoryArn": f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/team/app",
            "registryId": ACCOUNT,
            "repositoryName": "team/app",
            "repositoryUri": f"{HOST}/team/app",
            "createdAt": milliseconds(app.clock.now()),
            "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
            "imageTagMutabilityExclusionFilters": [EXCLUSION],
            "imageScanningConfiguration": {"scanOnPush": True},
            "encryptionConfiguration": {"encryptionType": "KMS", "kmsKey": KEY_ARN},
        }
        assert ecr.list_tags_for_resource(resourceArn=created["repositoryArn"])["tags"] == [
            {"Key": "empty", "Value": ""},
            {"Key": "stage", "Value": "prod"},
        ]
        described = ecr.describe_repositories(repositoryNames=["team/app"])
        assert described["repositories"] == [created]

    def test_twice(self, ecr: Any) -> None:
        create(ecr, "team/app")
        assert refusal(ecr.create_repository, repositoryName="team/app") == (
            "RepositoryAlreadyExistsException",
            "The repository with name 'team/app' already exists in the registry with id "
            f"'{ACCOUNT}'",
        )

    @pytest.mark.parametrize("name", ["aa", "a" * 256, "a/b/c", "a.b_c__d--e", "0/9", "a---b"])
    def test_names(self, ecr: Any, name: str) -> None:
        create(ecr, name)
        assert names_of(ecr.describe_repositories(repositoryNames=[name])) == [name]

    @pytest.mark.parametrize(
        "name",
        [
            "AA",
            "a" * 257,
            "Aa",
            "a/",
            "/a",
            "a//b",
            "a..b",
            "a___b",
            "-a",
            "a-",
            "a b",
            "a\n",
            "\u00e9e",
        ],
    )
    def test_what_is_no_name(self, app: App, ecr: Any, name: str) -> None:
        code, message = refusal(ecr.create_repository, repositoryName=name)
        assert code == "InvalidParameterException"
        before = "Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must "
        assert message.startswith(before)
        assert ecr.describe_repositories()["repositories"] == []

    def test_a_name_of_one_letter(self, app: App) -> None:
        assert app.call("CreateRepository", {"repositoryName": "a"}) == (
            400,
            {
                "__type": "InvalidParameterException",
                "message": "Invalid parameter at 'repositoryName' failed to satisfy constraint: "
                "'must have length greater than or equal to 2'",
            },
        )

    def test_no_name(self, app: App) -> None:
        assert app.call("CreateRepository", {}) == (
            400,
            {
                "__type": "InvalidParameterException",
                "message": "Invalid parameter at 'repositoryName' failed to satisfy constraint: "
                "'must not be null'",
            },
        )

    def test_fifty_tags(self, ecr: Any) -> None:
        tags = [{"Key": f"key {number}", "Value": "v"} for number in range(51)]
        assert refusal(ecr.create_repository, repositoryName="team/app", tags=tags) == (
            "TooManyTagsException",
            "The repository with name 'team/app' cannot have more than 50 tags",
        )
        assert ecr.describe_repositories()["repositories"] == []
        ecr.create_repository(repositoryName="team/app", tags=tags[:50])

    @pytest.mark.parametrize(
        ("key", "value", "text"),
        [
            ("aws:x", "", "aws: prefixed tag key names are not allowed for external use."),
            ("AWS:x", "", "aws: prefixed tag key names are not allowed for external use."),
            ("a" * 129, "", f"Invalid tag key: '{'a' * 128}'"),
            ("a*", "", "Invalid tag key: 'a*'"),
            ("a\n", "", "Invalid tag key: 'a\n'"),
            ("a", "v" * 257, "Invalid tag value for key: 'a'"),
            ("a", "#", "Invalid tag value for key: 'a'"),
        ],
    )
    def test_tags_that_aws_does_not_allow(self, ecr: Any, key: str, value: str, text: str) -> None:
        tags = [{"Key": "good", "Value": "good"}, {"Key": key, "Value": value}]
        expected = ("InvalidTagParameterException", text)
        assert refusal(ecr.create_repository, repositoryName="team/app", tags=tags) == expected
        assert ecr.describe_repositories()["repositories"] == []


class TestEncryption:
    @pytest.mark.parametrize("kind", ["KMS", "KMS_DSSE"])
    @pytest.mark.parametrize(
        ("given", "shown"),
        [
            (KEY_ID, KEY_ARN),
            (KEY_ARN, KEY_ARN),
            ("mrk-1234", KEY_ARN.replace(KEY_ID, "mrk-1234")),
            (
                f"arn:aws:kms:{REGION}:{STRANGER}:key/{KEY_ID}",
                f"arn:aws:kms:{REGION}:{STRANGER}:key/{KEY_ID}",
            ),
        ],
    )
    def test_by_a_key(self, ecr: Any, kind: str, given: str, shown: str) -> None:
        configuration = {"encryptionType": kind, "kmsKey": given}
        created = ecr.create_repository(
            repositoryName="team/app", encryptionConfiguration=configuration
        )
        assert created["repository"]["encryptionConfiguration"] == {
            "encryptionType": kind,
            "kmsKey": shown,
        }

    @pytest.mark.parametrize("kind", ["KMS", "KMS_DSSE"])
    def test_by_the_services_own_key(self, app: App, ecr: Any, kind: str) -> None:
        """Without a key it is that of ``alias/aws/ecr``, shown as a key and not as an alias."""
        shown = set()
        for number, client in enumerate((ecr, ecr, app.ecr(STRANGER))):
            answer = client.create_repository(
                repositoryName=f"team/app{number}", encryptionConfiguration={"encryptionType": kind}
            )
            shown.add(answer["repository"]["encryptionConfiguration"]["kmsKey"])
        assert len(shown) == 2
        for arn in shown:
            assert re.fullmatch(
                rf"arn:aws:kms:{REGION}:({ACCOUNT}|{STRANGER}):key/[0-9a-f-]{{36}}", arn
            )

    def test_by_an_alias(self, ecr: Any) -> None:
        shown = set()
        for number, key in enumerate(
            ["alias/mine", f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/mine", "alias/other"]
        ):
            configuration = {"encryptionType": "KMS", "kmsKey": key}
            answer = ecr.create_repository(
                repositoryName=f"team/app{number}", encryptionConfiguration=configuration
            )
            shown.add(answer["repository"]["encryptionConfiguration"]["kmsKey"])
        assert len(shown) == 2

    def test_aes256_has_no_key(self, ecr: Any) -> None:
        assert refusal(
            ecr.create_repository,
            repositoryName="team/app",
            encryptionConfiguration={"encryptionType": "AES256", "kmsKey": KEY_ID},
        ) == (
            "InvalidParameterException",
            "Invalid encryption configuration: Encryption key should not be set for AES256 "
            "encryption.",
        )

    @pytest.mark.parametrize(
        ("key", "text"),
        [
            (KEY_ARN.replace(REGION, "eu-west-1"), "Invalid arn eu-west-1"),
            ("arn:aws:kms", "Invalid keyId arn:aws:kms"),
            ("arn:aws:s3:::bucket", "Invalid keyId arn:aws:s3:::bucket"),
            (KEY_ARN.replace("key/", "keys/"), f"Invalid keyId {KEY_ARN.replace('key/', 'keys/')}"),
        ],
    )
    def test_what_is_no_key_here(self, ecr: Any, key: str, text: str) -> None:
        with pytest.raises(ecr.exceptions.KmsException) as caught:
            ecr.create_repository(
                repositoryName="team/app",
                encryptionConfiguration={"encryptionType": "KMS", "kmsKey": key},
            )
        assert caught.value.response["Error"]["Message"] == text
        assert caught.value.response["kmsError"] == "NotFoundException"

    def test_a_kind_that_there_is_not(self, ecr: Any) -> None:
        code, message = refusal(
            ecr.create_repository,
            repositoryName="team/app",
            encryptionConfiguration={"encryptionType": "ROT13"},
        )
        assert code == "InvalidParameterException"
        assert message.startswith("Invalid parameter at 'encryptionConfiguration.encryptionType'")


class TestDescribe:
    def test_none(self, ecr: Any) -> None:
        answer = ecr.describe_repositories()
        assert answer["repositories"] == []
        assert "nextToken" not in answer

    def test_all_in_order(self, ecr: Any) -> None:
        create(ecr, "b/c", "b-c", "b.c", "aa", "b/a", "zz")
        assert names_of(ecr.describe_repositories()) == ["aa", "b-c", "b.c", "b/a", "b/c", "zz"]
        assert names_of(ecr.describe_repositories(registryId=ACCOUNT))

    def test_by_name(self, ecr: Any) -> None:
        create(ecr, "aa", "bb", "cc")
        answer = ecr.describe_repositories(repositoryNames=["cc", "aa", "cc"])
        assert names_of(answer) == ["cc", "aa"]
        assert "nextToken" not in answer

    def test_one_is_missing(self, ecr: Any) -> None:
        create(ecr, "aa")
        call = refusal(ecr.describe_repositories, repositoryNames=["aa", "bb"])
        assert call == not_found("bb")

    def test_by_pages(self, ecr: Any) -> None:
        names = [f"repository-{number:03}" for number in range(103)]
        create(ecr, *reversed(names))
        first = ecr.describe_repositories()
        assert names_of(first) == names[:100]
        last = ecr.describe_repositories(nextToken=first["nextToken"])
        assert names_of(last) == names[100:]
        assert "nextToken" not in last
        pages = ecr.get_paginator("describe_repositories").paginate(
            PaginationConfig={"PageSize": 10}
        )
        assert [name for page in pages for name in names_of(page)] == names
        assert "nextToken" not in ecr.describe_repositories(maxResults=103)
        assert "nextToken" in ecr.describe_repositories(maxResults=102)
        assert names_of(ecr.describe_repositories(maxResults=1)) == names[:1]

    def test_pages_while_the_registry_changes(self, ecr: Any) -> None:
        create(ecr, "bb", "dd", "ff")
        first = ecr.describe_repositories(maxResults=2)
        ecr.delete_repository(repositoryName="dd")
        create(ecr, "aa", "ee")
        assert names_of(ecr.describe_repositories(nextToken=first["nextToken"])) == ["ee", "ff"]

    @pytest.mark.parametrize("number", [0, -1, 1001, 2**31 - 1])
    def test_sizes_of_pages(self, app: App, number: int) -> None:
        bound = "greater than or equal to 1" if number < 1 else "less than or equal to 1000"
        assert app.call("DescribeRepositories", {"maxResults": number}) == (
            400,
            {
                "__type": "InvalidParameterException",
                "message": "Invalid parameter at 'maxResults' failed to satisfy constraint: "
                f"'Member must have value {bound}'",
            },
        )

    @pytest.mark.parametrize(
        "paging", [{"maxResults": 5}, {"nextToken": "x"}, {"maxResults": 5, "nextToken": "x"}]
    )
    def test_names_and_pages_together(self, ecr: Any, paging: dict[str, Any]) -> None:
        create(ecr, "aa")
        member = "nextToken" if "nextToken" in paging else "maxResults"
        call = refusal(ecr.describe_repositories, repositoryNames=["aa"], **paging)
        text = f"{member} cannot be used when repositoryNames is specified"
        assert call == invalid(member, text)

    def test_each_account_and_region_has_its_own(self, app: App, ecr: Any) -> None:
        clients = {
            (account, region): app.ecr(account, region)
            for account in (ACCOUNT, STRANGER)
            for region in (REGION, "eu-west-1", "cn-north-1", "us-gov-west-1")
        }
        for (account, region), client in clients.items():
            client.create_repository(repositoryName="same")
            create(client, f"{region}-{account}")
        for (account, region), client in clients.items():
            answer = client.describe_repositories()
            assert names_of(answer) == sorted(["same", f"{region}-{account}"])
            partition = {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(
                region.removesuffix("-west-1").removesuffix("-north-1"), "aws"
            )
            arn = f"arn:{partition}:ecr:{region}:{account}:repository/same"
            assert arn in [found["repositoryArn"] for found in answer["repositories"]]


class TestNextToken:
    """A token is opaque, and good for the listing that it was given for alone."""

    REFUSED = invalid("NextToken", "Invalid next token provided")

    @pytest.fixture
    def token(self, ecr: Any) -> str:
        create(ecr, "aa", "bb", "cc")
        return str(ecr.describe_repositories(maxResults=1)["nextToken"])

    def test_it_says_nothing(self, token: str) -> None:
        assert "aa" not in token
        assert re.fullmatch(r"[A-Za-z0-9+/=]+", token)

    def test_it_may_be_used_again_and_with_another_size(self, ecr: Any, token: str) -> None:
        for size in (1, 2, 1000):
            answer = ecr.describe_repositories(nextToken=token, maxResults=size)
            assert names_of(answer) == ["bb", "cc"][:size]

    def test_made_up(self, ecr: Any, token: str) -> None:
        for other in ("", "x", "bb", "YmI=", "\u00e9", "a" * 5000, token[:-4], token + "AAAA"):
            assert refusal(ecr.describe_repositories, nextToken=other) == self.REFUSED

    def test_changed(self, ecr: Any, token: str) -> None:
        for place in range(0, len(token) - 2, 5):
            letter = "B" if token[place] == "A" else "A"
            other = token[:place] + letter + token[place + 1 :]
            assert refusal(ecr.describe_repositories, nextToken=other) == self.REFUSED

    def test_of_another_registry(self, app: App, token: str) -> None:
        for client in (app.ecr(STRANGER), app.ecr(region="eu-west-1")):
            assert refusal(client.describe_repositories, nextToken=token) == self.REFUSED

    def test_of_another_operation(self, ecr: Any, token: str) -> None:
        for call in (ecr.list_images, ecr.describe_images):
            assert refusal(call, repositoryName="aa", nextToken=token) == self.REFUSED

    def test_of_another_installation(self, elsewhere: App, token: str) -> None:
        call = refusal(elsewhere.ecr().describe_repositories, nextToken=token)
        assert call == self.REFUSED

    def test_another_process_takes_it(self, app: App, token: str) -> None:
        answer = app.another_process().ecr().describe_repositories(nextToken=token)
        assert names_of(answer) == ["bb", "cc"]


class TestDelete:
    def test_an_empty_one(self, ecr: Any) -> None:
        created = ecr.create_repository(repositoryName="team/app")["repository"]
        assert ecr.delete_repository(repositoryName="team/app")["repository"] == created
        assert refusal(ecr.delete_repository, repositoryName="team/app") == not_found("team/app")
        assert ecr.describe_repositories()["repositories"] == []

    def test_missing(self, ecr: Any) -> None:
        for force in (True, False):
            call = refusal(ecr.delete_repository, repositoryName="missing", force=force)
            assert call == not_found("missing")

    def test_with_images(self, ecr: Any, oci: OciCaller) -> None:
        create(ecr, "team/app")
        oci.push("team/app", make_image(1), "v1")
        for force in ({}, {"force": False}):
            assert refusal(ecr.delete_repository, repositoryName="team/app", **force) == (
                "RepositoryNotEmptyException",
                f"The repository with name 'team/app' in registry with id '{ACCOUNT}' cannot be "
                "deleted because it still contains images",
            )
        ecr.delete_repository(repositoryName="team/app", force=True)
        create(ecr, "team/app")
        assert ecr.list_images(repositoryName="team/app")["imageIds"] == []
        assert oci.expect(200, "GET", "/v2/team/app/tags/list").get_json()["tags"] == []

    def test_layers_alone_are_no_images(self, ecr: Any, oci: OciCaller) -> None:
        create(ecr, "team/app")
        digest = oci.push_blob("team/app", b"abc")
        oci.start_upload("team/app")
        ecr.delete_repository(repositoryName="team/app")
        create(ecr, "team/app")
        oci.expect(404, "HEAD", f"/v2/team/app/blobs/{digest}")

    def test_nothing_of_it_comes_back(self, ecr: Any) -> None:
        arn = ecr.create_repository(
            repositoryName="team/app",
            tags=[{"Key": "a", "Value": "b"}],
            imageTagMutability="IMMUTABLE",
        )["repository"]["repositoryArn"]
        ecr.delete_repository(repositoryName="team/app")
        assert refusal(ecr.list_tags_for_resource, resourceArn=arn) == not_found("team/app")
        again = ecr.create_repository(repositoryName="team/app")["repository"]
        assert again["imageTagMutability"] == "MUTABLE"
        assert ecr.list_tags_for_resource(resourceArn=arn)["tags"] == []


class TestTagMutability:
    @pytest.mark.parametrize("mode", ["MUTABLE", "IMMUTABLE"])
    def test_plain(self, ecr: Any, mode: str) -> None:
        create(ecr, "team/app")
        answer = ecr.put_image_tag_mutability(repositoryName="team/app", imageTagMutability=mode)
        del answer["ResponseMetadata"]
        assert answer == {
            "registryId": ACCOUNT,
            "repositoryName": "team/app",
            "imageTagMutability": mode,
        }
        (described,) = ecr.describe_repositories()["repositories"]
        assert described["imageTagMutability"] == mode
        assert "imageTagMutabilityExclusionFilters" not in described

    @pytest.mark.parametrize("mode", ["MUTABLE_WITH_EXCLUSION", "IMMUTABLE_WITH_EXCLUSION"])
    def test_with_exclusions(self, ecr: Any, mode: str) -> None:
        create(ecr, "team/app")
        filters = [{"filterType": "WILDCARD", "filter": f} for f in ("a*", "*b*", "c", "d-._", "*")]
        answer = ecr.put_image_tag_mutability(
            registryId=ACCOUNT,
            repositoryName="team/app",
            imageTagMutability=mode,
            imageTagMutabilityExclusionFilters=filters,
        )
        del answer["ResponseMetadata"]
        assert answer == {
            "registryId": ACCOUNT,
            "repositoryName": "team/app",
            "imageTagMutability": mode,
            "imageTagMutabilityExclusionFilters": filters,
        }
        (described,) = ecr.describe_repositories()["repositories"]
        assert described["imageTagMutability"] == mode
        assert described["imageTagMutabilityExclusionFilters"] == filters
        # A plain setting takes the filters away.
        ecr.put_image_tag_mutability(repositoryName="team/app", imageTagMutability="MUTABLE")
        (described,) = ecr.describe_repositories()["repositories"]
        assert "imageTagMutabilityExclusionFilters" not in described

    @pytest.mark.parametrize("operation", ["create_repository", "put_image_tag_mutability"])
    @pytest.mark.parametrize(
        ("mode", "filters", "text"),
        [
            (
                "IMMUTABLE_WITH_EXCLUSION",
                None,
                "ImageTagMutabilityExclusionFilters can't be null when imageTagMutability is "
                "set to IMMUTABLE_WITH_EXCLUSION",
            ),
            (
                "MUTABLE_WITH_EXCLUSION",
                None,
                "ImageTagMutabilityExclusionFilters can't be null when imageTagMutability is "
                "set to MUTABLE_WITH_EXCLUSION",
            ),
            (
                "MUTABLE",
                [EXCLUSION],
                "ImageTagMutabilityExclusionFilters are not allowed when imageTagMutability is "
                "set to MUTABLE",
            ),
            (
                "IMMUTABLE",
                [EXCLUSION],
                "ImageTagMutabilityExclusionFilters are not allowed when imageTagMutability is "
                "set to IMMUTABLE",
            ),
            (
                "MUTABLE_WITH_EXCLUSION",
                [EXCLUSION, {"filterType": "WILDCARD", "filter": "a*b*c*"}],
                "Filter cannot contain more than 2 wildcards",
            ),
        ],
    )
    def test_filters_where_they_do_not_belong(
        self, ecr: Any, operation: str, mode: str, filters: Any, text: str
    ) -> None:
        if operation != "create_repository":
            create(ecr, "team/app")
        params: dict[str, Any] = {"repositoryName": "team/app", "imageTagMutability": mode}
        if filters is not None:
            params["imageTagMutabilityExclusionFilters"] = filters
        expected = invalid("imageTagMutabilityExclusionFilters", text)
        assert refusal(getattr(ecr, operation), **params) == expected

    @pytest.mark.parametrize(
        "filters",
        [
            [],
            [EXCLUSION] * 6,
            [{"filterType": "WILDCARD", "filter": ""}],
            [{"filterType": "WILDCARD", "filter": "a" * 129}],
            [{"filterType": "WILDCARD", "filter": "a/b"}],
            [{"filterType": "REGEX", "filter": "a"}],
            [{"filterType": "WILDCARD"}],
            [{"filter": "a"}],
        ],
    )
    def test_what_the_model_refuses(self, app: App, ecr: Any, filters: Any) -> None:
        create(ecr, "team/app")
        status, answer = app.call(
            "PutImageTagMutability",
            {
                "repositoryName": "team/app",
                "imageTagMutability": "MUTABLE_WITH_EXCLUSION",
                "imageTagMutabilityExclusionFilters": filters,
            },
        )
        assert status == 400
        assert answer["__type"] == "InvalidParameterException"
        assert "imageTagMutabilityExclusionFilters" in answer["message"]

    def test_a_mode_that_there_is_not(self, ecr: Any) -> None:
        create(ecr, "team/app")
        text = (
            "Member must satisfy enum value set: [IMMUTABLE, MUTABLE, MUTABLE_WITH_EXCLUSION, "
            "IMMUTABLE_WITH_EXCLUSION]"
        )
        expected = invalid("imageTagMutability", text)
        params = {"imageTagMutability": "FROZEN"}
        call = refusal(ecr.put_image_tag_mutability, repositoryName="team/app", **params)
        assert call == expected
        assert refusal(ecr.create_repository, repositoryName="other", **params) == expected

    def test_missing_repository(self, ecr: Any) -> None:
        call = refusal(
            ecr.put_image_tag_mutability, repositoryName="missing", imageTagMutability="MUTABLE"
        )
        assert call == not_found("missing")


class TestScanningConfiguration:
    @pytest.mark.parametrize(
        ("given", "shown"),
        [({"scanOnPush": True}, True), ({"scanOnPush": False}, False), ({}, False)],
    )
    def test_put(self, ecr: Any, given: dict[str, bool], shown: bool) -> None:
        create(ecr, "team/app")
        answer = ecr.put_image_scanning_configuration(
            registryId=ACCOUNT, repositoryName="team/app", imageScanningConfiguration=given
        )
        del answer["ResponseMetadata"]
        assert answer == {
            "registryId": ACCOUNT,
            "repositoryName": "team/app",
            "imageScanningConfiguration": {"scanOnPush": shown},
        }
        (described,) = ecr.describe_repositories()["repositories"]
        assert described["imageScanningConfiguration"] == {"scanOnPush": shown}

    def test_missing_repository(self, ecr: Any) -> None:
        call = refusal(
            ecr.put_image_scanning_configuration,
            repositoryName="missing",
            imageScanningConfiguration={"scanOnPush": True},
        )
        assert call == not_found("missing")


def test_the_registry_of_another_account(app: App, ecr: Any) -> None:
    """Nobody may do anything in the registry of another that no policy of it allows."""
    create(app.ecr(STRANGER), "theirs")
    everything = f"arn:aws:ecr:{REGION}:{STRANGER}:repository/*"
    arn = f"arn:aws:ecr:{REGION}:{STRANGER}:repository/theirs"
    for call, action, resource, params in [
        (ecr.describe_repositories, "DescribeRepositories", everything, {}),
        (ecr.delete_repository, "DeleteRepository", arn, {"repositoryName": "theirs"}),
        (ecr.create_repository, "CreateRepository", arn, {"repositoryName": "theirs"}),
    ]:
        code, message = refusal(call, registryId=STRANGER, **params)
        assert code == "AccessDeniedException"
        assert message.startswith(
            f"User: arn:aws:iam::{ACCOUNT}:root is not authorized to perform: ecr:{action} on "
            f"resource: {resource} because no "
        )


def test_created_at_is_the_clocks_time(app: App, ecr: Any) -> None:
    app.clock.advance(timedelta(days=400))
    created = ecr.create_repository(repositoryName="team/app")["repository"]
    assert created["createdAt"] == milliseconds(app.clock.now())

"""CreatePullThroughCacheRule, Describe…Rules, Update…Rule, Delete…Rule, Validate…Rule.

Sources: API reference; user guide "Creating a pull through cache rule", "Customizing
repository prefixes for ECR to ECR pull through cache", "Amazon ECR service quotas" (fifty
rules). Texts marked "observed" are the live service's, from public issue threads and a public
set of pre-flight checks (2025, 2026); the others are the likeliest ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.app import ACCOUNT, REGION, STRANGER, App
from tests.support.refusals import refusal
from tests.support.upstream import UpstreamRegistry, is_installed

PUBLIC = "public.ecr.aws"
DOCKER_HUB = "registry-1.docker.io"
OTHER_REGION = f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com"
OTHER_ACCOUNT = f"{STRANGER}.dkr.ecr.{REGION}.amazonaws.com"

NEEDS_SECRET = (  # observed
    "UnsupportedUpstreamRegistryException",
    "The specified upstream registry requires authentication. Specify a valid Secrets Manager "
    "ARN containing the upstream registry credentials.",
)
NEEDS_ROLE = (
    "UnsupportedUpstreamRegistryException",
    "The specified upstream registry requires authentication. Specify a valid IAM role ARN.",
)
TAKES_NO_CREDENTIALS = (  # observed
    "UnsupportedUpstreamRegistryException",
    "The specified upstream registry doesn't require authentication",
)
WRONG_CREDENTIALS = (  # observed
    "InvalidParameterException",
    "Upstream registry URL and provided credential type do not match",
)
OTHER_UPSTREAM = (  # observed
    "InvalidParameterException",
    "Upstream registry URL and entered upstream registry do not match",
)
SECRET_NOT_FOUND = (  # both sentences observed
    "SecretNotFoundException",
    "The ARN of the secret specified in the pull through cache rule was not found. Please verify "
    "the secret exists in the same region and account that the pullthrough cache rule will be "
    "created in.",
)


def secret(account: str = ACCOUNT, region: str = REGION, name: str = "credentials") -> str:
    return f"arn:aws:secretsmanager:{region}:{account}:secret:ecr-pullthroughcache/{name}-a1b2c3"


def role(account: str = ACCOUNT, name: str = "cache") -> str:
    return f"arn:aws:iam::{account}:role/{name}"


def create(ecr: Any, prefix: str, url: str, **more: str) -> dict[str, Any]:
    answer = ecr.create_pull_through_cache_rule(
        ecrRepositoryPrefix=prefix, upstreamRegistryUrl=url, **more
    )
    answer.pop("ResponseMetadata")
    return dict(answer)


def refused(ecr: Any, prefix: str, url: str, **more: str) -> tuple[str, str]:
    return refusal(
        ecr.create_pull_through_cache_rule,
        ecrRepositoryPrefix=prefix,
        upstreamRegistryUrl=url,
        **more,
    )


def not_found(prefix: str) -> tuple[str, str]:
    return (
        "PullThroughCacheRuleNotFoundException",
        f"The pull through cache rule with ECR repository prefix '{prefix}' does not exist in "
        f"the registry with id '{ACCOUNT}'",
    )


def rules(ecr: Any, **params: Any) -> list[dict[str, Any]]:
    return list(ecr.describe_pull_through_cache_rules(**params)["pullThroughCacheRules"])


def prefixes(ecr: Any, **params: Any) -> list[str]:
    return [rule["ecrRepositoryPrefix"] for rule in rules(ecr, **params)]


class TestCreate:
    def test_a_minimal_rule(self, app: App, ecr: Any) -> None:
        now = app.clock.now().replace(microsecond=0)
        answer = create(ecr, "ecr-public", PUBLIC)
        assert answer.pop("createdAt").replace(microsecond=0) == now
        assert answer == {
            "ecrRepositoryPrefix": "ecr-public",
            "upstreamRegistryUrl": PUBLIC,
            "upstreamRegistry": "ecr-public",
            "registryId": ACCOUNT,
            # Terraform's provider sees it so.
            "upstreamRepositoryPrefix": "ROOT",
        }

    def test_a_full_rule_with_a_secret(self, ecr: Any) -> None:
        answer = create(
            ecr,
            "docker-hub",
            DOCKER_HUB,
            registryId=ACCOUNT,
            upstreamRegistry="docker-hub",
            credentialArn=secret(),
            upstreamRepositoryPrefix="library",
        )
        del answer["createdAt"]
        assert answer == {
            "ecrRepositoryPrefix": "docker-hub",
            "upstreamRegistryUrl": DOCKER_HUB,
            "upstreamRegistry": "docker-hub",
            "registryId": ACCOUNT,
            "credentialArn": secret(),
            "upstreamRepositoryPrefix": "library",
        }

    def test_a_full_rule_with_a_role(self, ecr: Any) -> None:
        answer = create(ecr, "other", OTHER_ACCOUNT, upstreamRegistry="ecr", customRoleArn=role())
        del answer["createdAt"]
        assert answer == {
            "ecrRepositoryPrefix": "other",
            "upstreamRegistryUrl": OTHER_ACCOUNT,
            "upstreamRegistry": "ecr",
            "registryId": ACCOUNT,
            "customRoleArn": role(),
            "upstreamRepositoryPrefix": "ROOT",
        }

    @pytest.mark.parametrize(
        ("url", "name", "credentials"),
        [
            (PUBLIC, "ecr-public", {}),
            ("quay.io", "quay", {}),
            ("registry.k8s.io", "k8s", {}),
            (OTHER_REGION, "ecr", {}),
            (OTHER_REGION, "ecr", {"customRoleArn": role()}),
            (OTHER_ACCOUNT, "ecr", {"customRoleArn": role(name="path/of/cache")}),
            (f"{STRANGER}.dkr.ecr.cn-north-1.amazonaws.com.cn", "ecr", {"customRoleArn": role()}),
            (DOCKER_HUB, "docker-hub", {"credentialArn": secret()}),
            ("ghcr.io", "github-container-registry", {"credentialArn": secret()}),
            ("registry.gitlab.com", "gitlab-container-registry", {"credentialArn": secret()}),
            ("cgr.dev", "chainguard", {"credentialArn": secret()}),
            ("myregistry.azurecr.io", "azure-container-registry", {"credentialArn": secret()}),
        ],
    )
    def test_the_upstream_is_told_by_its_url(
        self, ecr: Any, url: str, name: str, credentials: dict[str, str]
    ) -> None:
        assert create(ecr, "cached", url, **credentials)["upstreamRegistry"] == name
        assert rules(ecr)[0]["upstreamRegistry"] == name

    @pytest.mark.parametrize(
        "url",
        [
            "docker.io",
            "https://quay.io",
            "quay.io/",
            "quay.io/prometheus",
            "Quay.io",
            "quay.io\n",
            "example.com",
            "azurecr.io",
            ".azurecr.io",
            "a.b.azurecr.io",
            "12345.dkr.ecr.us-east-1.amazonaws.com",
            f"{ACCOUNT}.dkr.ecr.eu-west-1.example.com",
            "",
        ],
    )
    def test_other_urls_are_none(self, ecr: Any, url: str) -> None:
        assert refused(ecr, "cached", url) == (
            "UnsupportedUpstreamRegistryException",
            f"The upstream registry URL {url} is invalid",  # observed
        )

    @pytest.mark.parametrize(
        ("url", "more", "expected"),
        [
            (DOCKER_HUB, {}, NEEDS_SECRET),
            ("myregistry.azurecr.io", {}, NEEDS_SECRET),
            (OTHER_ACCOUNT, {}, NEEDS_ROLE),
            (OTHER_ACCOUNT, {"customRoleArn": ""}, NEEDS_ROLE),
            (PUBLIC, {"credentialArn": secret()}, TAKES_NO_CREDENTIALS),
            ("quay.io", {"credentialArn": secret()}, TAKES_NO_CREDENTIALS),
            ("registry.k8s.io", {"credentialArn": secret()}, TAKES_NO_CREDENTIALS),
            (PUBLIC, {"customRoleArn": role()}, WRONG_CREDENTIALS),
            (DOCKER_HUB, {"customRoleArn": role()}, WRONG_CREDENTIALS),
            (OTHER_REGION, {"credentialArn": secret()}, WRONG_CREDENTIALS),
            (DOCKER_HUB, {"credentialArn": secret(region="eu-west-1")}, SECRET_NOT_FOUND),
            (DOCKER_HUB, {"credentialArn": secret(account=STRANGER)}, SECRET_NOT_FOUND),
            (
                OTHER_ACCOUNT,
                {"customRoleArn": role(STRANGER)},
                (
                    "InvalidParameterException",
                    "Invalid parameter at 'customRoleArn' failed to satisfy constraint: 'The role "
                    "must be in the same account as the registry'",
                ),
            ),
            (
                OTHER_ACCOUNT,
                {"customRoleArn": "cache"},
                (
                    "InvalidParameterException",
                    "Invalid parameter at 'customRoleArn' failed to satisfy constraint: 'Invalid "
                    "role ARN'",
                ),
            ),
            (DOCKER_HUB, {"upstreamRegistry": "quay", "credentialArn": secret()}, OTHER_UPSTREAM),
            (OTHER_REGION, {"upstreamRegistry": "ecr-public"}, OTHER_UPSTREAM),
            (
                f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com",
                {},
                (
                    "InvalidParameterException",
                    "Upstream registry URL cannot be the same as the cache registry",  # observed
                ),
            ),
        ],
    )
    def test_credentials_that_do_not_fit(
        self, ecr: Any, url: str, more: dict[str, str], expected: tuple[str, str]
    ) -> None:
        assert refused(ecr, "cached", url, **more) == expected
        assert rules(ecr) == []

    @pytest.mark.parametrize("url", [PUBLIC, "quay.io", "registry.k8s.io"])
    def test_the_name_of_an_open_registry_is_not_compared(self, ecr: Any, url: str) -> None:
        # Observed. What is stored is what the URL tells.
        created = create(ecr, "cached", url, upstreamRegistry="docker-hub")
        assert created["upstreamRegistry"] != "docker-hub"

    def test_a_prefix_has_one_rule(self, ecr: Any) -> None:
        create(ecr, "team", PUBLIC)
        for prefix in ("team", "team/"):
            assert refused(ecr, prefix, "quay.io") == (
                "PullThroughCacheRuleAlreadyExistsException",
                f"The pull through cache rule with ECR repository prefix '{prefix}' already "
                f"exists in the registry with id '{ACCOUNT}'",
            )
        assert rules(ecr)[0]["upstreamRegistryUrl"] == PUBLIC
        create(ecr, "team/a", PUBLIC)
        create(ecr, "ROOT", PUBLIC)

    def test_registries_do_not_share_rules(self, app: App, ecr: Any) -> None:
        create(ecr, "team", PUBLIC)
        create(app.ecr(STRANGER), "team", "quay.io")
        create(app.ecr(region="eu-west-1"), "team", "quay.io")
        assert rules(ecr)[0]["upstreamRegistryUrl"] == PUBLIC

    def test_an_upstream_prefix_wants_a_prefix(self, ecr: Any) -> None:
        assert refused(ecr, "ROOT", OTHER_REGION, upstreamRepositoryPrefix="team") == (
            "InvalidParameterException",
            "Invalid parameter at 'upstreamRepositoryPrefix' failed to satisfy constraint: "
            "'Upstream repository prefix cannot be set when ECR repository prefix is ROOT'",
        )
        create(ecr, "ROOT", OTHER_REGION, upstreamRepositoryPrefix="ROOT")

    def test_a_registry_has_fifty_rules(self, app: App, ecr: Any) -> None:
        for number in range(50):
            create(ecr, f"cache-{number}", PUBLIC)
        assert refused(ecr, "cache-50", PUBLIC) == (
            "LimitExceededException",
            "The maximum number of pull through cache rules (50) in the registry with id "
            f"'{ACCOUNT}' has been reached",
        )
        assert refused(ecr, "cache-0", PUBLIC)[0] == "PullThroughCacheRuleAlreadyExistsException"
        assert len(rules(ecr)) == 50
        ecr.delete_pull_through_cache_rule(ecrRepositoryPrefix="cache-7")
        create(ecr, "cache-50", PUBLIC)
        create(app.ecr(STRANGER), "cache", PUBLIC)

    @pytest.mark.parametrize("prefix", ["a" * 31, "Team", "team//a", "/team", "-team", "root"])
    def test_prefixes(self, ecr: Any, prefix: str) -> None:
        if prefix == "root":
            create(ecr, prefix, PUBLIC)
        else:
            assert refused(ecr, prefix, PUBLIC)[0] in (
                "InvalidParameterException",
                "ValidationException",
            )


class TestDescribe:
    def test_a_rule(self, app: App, ecr: Any) -> None:
        created = create(ecr, "docker-hub/", DOCKER_HUB, credentialArn=secret())
        (rule,) = rules(ecr, registryId=ACCOUNT)
        assert rule == {
            "ecrRepositoryPrefix": "docker-hub/",
            "upstreamRegistryUrl": DOCKER_HUB,
            "upstreamRegistry": "docker-hub",
            "registryId": ACCOUNT,
            "credentialArn": secret(),
            "upstreamRepositoryPrefix": "ROOT",
            "createdAt": created["createdAt"],
            "updatedAt": created["createdAt"],
        }

    def test_no_rules(self, ecr: Any) -> None:
        answer = ecr.describe_pull_through_cache_rules()
        answer.pop("ResponseMetadata")
        assert answer == {"pullThroughCacheRules": []}

    def test_rules_by_prefix(self, ecr: Any) -> None:
        for prefix in ("two", "one", "three/"):
            create(ecr, prefix, PUBLIC)
        assert prefixes(ecr) == ["one", "three/", "two"]
        assert prefixes(ecr, ecrRepositoryPrefixes=["two", "one", "two"]) == ["one", "two"]
        assert prefixes(ecr, ecrRepositoryPrefixes=["three"]) == ["three/"]
        described = ecr.describe_pull_through_cache_rules
        assert refusal(described, ecrRepositoryPrefixes=["one", "four"]) == not_found("four")

    def test_pages(self, ecr: Any) -> None:
        names = [f"cache-{number:02}" for number in range(7)]
        for name in reversed(names):
            create(ecr, name, PUBLIC)
        paginator = ecr.get_paginator("describe_pull_through_cache_rules")
        pages = list(paginator.paginate(PaginationConfig={"PageSize": 3}))
        assert [len(page["pullThroughCacheRules"]) for page in pages] == [3, 3, 1]
        found = [rule["ecrRepositoryPrefix"] for page in pages for rule in page[PAGE_MEMBER]]
        assert found == names
        some = names[1:6]
        pages = list(
            paginator.paginate(ecrRepositoryPrefixes=some, PaginationConfig={"PageSize": 2})
        )
        assert [r["ecrRepositoryPrefix"] for page in pages for r in page[PAGE_MEMBER]] == some

    def test_a_token_is_good_for_its_own_listing(self, app: App, ecr: Any) -> None:
        for prefix in ("one", "two"):
            create(ecr, prefix, PUBLIC)
            create(app.ecr(STRANGER), prefix, PUBLIC)
        token = ecr.describe_pull_through_cache_rules(maxResults=1)["nextToken"]
        bad = (
            "InvalidParameterException",
            "Invalid parameter at 'NextToken' failed to satisfy constraint: 'Invalid next token "
            "provided'",
        )
        stranger = app.ecr(STRANGER)
        describe = "describe_pull_through_cache_rules"
        assert refusal(getattr(stranger, describe), nextToken=token) == bad
        named = ["one", "two"]
        assert refusal(getattr(ecr, describe), nextToken=token, ecrRepositoryPrefixes=named) == bad
        changed = ("y" if token.startswith("x") else "x") + token[1:]
        assert refusal(getattr(ecr, describe), nextToken=changed) == bad
        assert prefixes(ecr, nextToken=token) == ["two"]


PAGE_MEMBER = "pullThroughCacheRules"


class TestUpdate:
    def test_a_secret(self, app: App, ecr: Any) -> None:
        created = create(ecr, "docker-hub", DOCKER_HUB, credentialArn=secret())
        app.clock.advance(timedelta(minutes=1))
        answer = ecr.update_pull_through_cache_rule(
            ecrRepositoryPrefix="docker-hub", credentialArn=secret(name="newer")
        )
        answer.pop("ResponseMetadata")
        assert answer == {
            "ecrRepositoryPrefix": "docker-hub",
            "registryId": ACCOUNT,
            "updatedAt": created["createdAt"] + timedelta(minutes=1),
            "credentialArn": secret(name="newer"),
            "upstreamRepositoryPrefix": "ROOT",
        }
        (rule,) = rules(ecr)
        assert rule["credentialArn"] == secret(name="newer")
        assert rule["createdAt"] == created["createdAt"]
        assert rule["updatedAt"] == answer["updatedAt"]

    def test_a_role(self, ecr: Any) -> None:
        create(ecr, "other", OTHER_ACCOUNT, customRoleArn=role())
        answer = ecr.update_pull_through_cache_rule(
            ecrRepositoryPrefix="other/", registryId=ACCOUNT, customRoleArn=role(name="newer")
        )
        assert answer["ecrRepositoryPrefix"] == "other"
        assert answer["customRoleArn"] == role(name="newer") == rules(ecr)[0]["customRoleArn"]

    @pytest.mark.parametrize(
        ("prefix", "more", "expected"),
        [
            (
                "hub",
                {},
                (
                    "InvalidParameterException",
                    # Observed.
                    "Invalid input: Please set either credential arn or role arn to update the "
                    "credentials",
                ),
            ),
            ("missing", {"credentialArn": secret()}, not_found("missing")),
            ("hub", {"customRoleArn": role()}, WRONG_CREDENTIALS),
            ("hub", {"credentialArn": secret(account=STRANGER)}, SECRET_NOT_FOUND),
            (
                "public",
                {"credentialArn": secret()},
                # Of the operation's errors: the one for a new rule is not among them.
                ("InvalidParameterException", TAKES_NO_CREDENTIALS[1]),
            ),
            ("ecr", {"credentialArn": secret()}, WRONG_CREDENTIALS),
        ],
    )
    def test_refusals(
        self, ecr: Any, prefix: str, more: dict[str, str], expected: tuple[str, str]
    ) -> None:
        create(ecr, "hub", DOCKER_HUB, credentialArn=secret())
        create(ecr, "public", PUBLIC)
        create(ecr, "ecr", OTHER_ACCOUNT, customRoleArn=role())
        before = rules(ecr)
        update = ecr.update_pull_through_cache_rule
        assert refusal(update, ecrRepositoryPrefix=prefix, **more) == expected
        assert rules(ecr) == before


class TestDelete:
    def test_a_rule(self, ecr: Any) -> None:
        created = create(ecr, "docker-hub", DOCKER_HUB, credentialArn=secret())
        create(ecr, "other", PUBLIC)
        answer = ecr.delete_pull_through_cache_rule(ecrRepositoryPrefix="docker-hub")
        answer.pop("ResponseMetadata")
        assert answer == {
            "ecrRepositoryPrefix": "docker-hub",
            "upstreamRegistryUrl": DOCKER_HUB,
            "createdAt": created["createdAt"],
            "registryId": ACCOUNT,
            "credentialArn": secret(),
            "upstreamRepositoryPrefix": "ROOT",
        }
        assert prefixes(ecr) == ["other"]
        delete = ecr.delete_pull_through_cache_rule
        assert refusal(delete, ecrRepositoryPrefix="docker-hub") == not_found("docker-hub")


AUTHENTICATION_FAILED = (  # observed on pulls
    "The authentication to the upstream registry failed. Verify that the credentials provided in "
    "the pull through cache rule are correct, and try again."
)


class TestValidate:
    def validated(self, ecr: Any, prefix: str) -> dict[str, Any]:
        validate = ecr.validate_pull_through_cache_rule
        answer = validate(ecrRepositoryPrefix=prefix)
        assert validate(ecrRepositoryPrefix=prefix, registryId=ACCOUNT).keys() == answer.keys()
        answer.pop("ResponseMetadata")
        return dict(answer)

    def test_a_missing_rule(self, ecr: Any) -> None:
        validate = ecr.validate_pull_through_cache_rule
        assert refusal(validate, ecrRepositoryPrefix="missing") == not_found("missing")

    def test_a_secret_cannot_be_read(self, ecr: Any) -> None:
        # The emulator has no Secrets Manager; the text is the model's of the exception for it.
        create(ecr, "hub", DOCKER_HUB, credentialArn=secret())
        assert self.validated(ecr, "hub") == {
            "ecrRepositoryPrefix": "hub",
            "registryId": ACCOUNT,
            "upstreamRegistryUrl": DOCKER_HUB,
            "credentialArn": secret(),
            "upstreamRepositoryPrefix": "ROOT",
            "isValid": False,
            "failure": "The secret is unable to be accessed. Verify the resource permissions for "
            "the secret and try again.",
        }

    def test_an_ecr_registry_of_the_same_account_is_our_own(self, ecr: Any) -> None:
        create(ecr, "other", OTHER_REGION)
        assert self.validated(ecr, "other") == {
            "ecrRepositoryPrefix": "other",
            "registryId": ACCOUNT,
            "upstreamRegistryUrl": OTHER_REGION,
            "upstreamRepositoryPrefix": "ROOT",
            "isValid": True,
        }

    def test_a_role_cannot_be_assumed(self, ecr: Any) -> None:
        create(ecr, "other", OTHER_ACCOUNT, customRoleArn=role())
        answer = self.validated(ecr, "other")
        assert answer["customRoleArn"] == role()
        assert answer["isValid"] is False
        assert answer["failure"] == AUTHENTICATION_FAILED


@pytest.mark.skipif(not is_installed(), reason="docker-registry is not installed")
class TestValidateOverTheNetwork:
    @pytest.fixture
    def upstream(self, tmp_path: Path) -> Iterator[UpstreamRegistry]:
        started = UpstreamRegistry(tmp_path / "upstream")
        yield started
        started.stop()

    def test_an_open_registry(self, tmp_path: Path, upstream: UpstreamRegistry) -> None:
        app = App(
            tmp_path / "data", upstreams={"quay.io": upstream.url, OTHER_REGION: upstream.url}
        )
        ecr = app.ecr()
        try:
            create(ecr, "quay", "quay.io")
            create(ecr, "other", OTHER_REGION)
            for prefix in ("quay", "other"):
                answer = ecr.validate_pull_through_cache_rule(ecrRepositoryPrefix=prefix)
                assert answer["isValid"] is True
                assert "failure" not in answer
            upstream.stop()
            answer = ecr.validate_pull_through_cache_rule(ecrRepositoryPrefix="quay")
            assert answer["isValid"] is False
            assert answer["failure"] == (
                "The upstream registry is unavailable. Verify that it can be reached, and try "
                "again."
            )
        finally:
            app.close()

    def test_one_that_wants_a_password(self, tmp_path: Path) -> None:
        upstream = UpstreamRegistry(tmp_path / "upstream", "someone:$2y$05$" + "x" * 53 + "\n")
        app = App(tmp_path / "data", upstreams={"quay.io": upstream.url})
        ecr = app.ecr()
        try:
            create(ecr, "quay", "quay.io")
            answer = ecr.validate_pull_through_cache_rule(ecrRepositoryPrefix="quay")
            assert answer["isValid"] is False
            assert answer["failure"] == AUTHENTICATION_FAILED
        finally:
            app.close()
            upstream.stop()


@pytest.mark.parametrize(
    ("operation", "more"),
    [
        ("create_pull_through_cache_rule", {"upstreamRegistryUrl": PUBLIC}),
        ("update_pull_through_cache_rule", {"credentialArn": secret()}),
        ("delete_pull_through_cache_rule", {}),
        ("validate_pull_through_cache_rule", {}),
    ],
)
def test_another_accounts_registry(app: App, operation: str, more: dict[str, str]) -> None:
    create(app.ecr(STRANGER), "cached", PUBLIC)
    code, message = refusal(
        getattr(app.ecr(), operation), registryId=STRANGER, ecrRepositoryPrefix="cached", **more
    )
    assert code == "AccessDeniedException"
    assert "is not authorized to perform: ecr:" in message

"""Register-, Deregister-, ListPullTimeUpdateExclusion(s), and what they are for.

Sources: API reference (shapes, limits, errors); user guide "Pull-time update exclusions";
texts as registry/pull_exclusion_errors.py says.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from ecr_emulator.registry.pull_exclusions import is_excluded
from tests.support.app import ACCOUNT, STRANGER, App, OciCaller
from tests.support.images import make_image
from tests.support.refusals import refusal

NAME = "team/app"
HOUR = timedelta(hours=1)
ROLE = f"arn:aws:iam::{ACCOUNT}:role/scanner"
USER = f"arn:aws:iam::{ACCOUNT}:user/auditor"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/scanner/nightly"


def body(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def register(ecr: Any, *arns: str) -> None:
    for arn in arns:
        ecr.register_pull_time_update_exclusion(principalArn=arn)


class TestOperations:
    def test_register_list_deregister(self, app: App, ecr: Any) -> None:
        answer = body(ecr.register_pull_time_update_exclusion(principalArn=ROLE))
        assert abs(answer.pop("createdAt") - app.clock.now()) < timedelta(seconds=1)
        assert answer == {"principalArn": ROLE}
        register(ecr, USER)
        listed = {"pullTimeUpdateExclusions": [ROLE, USER]}
        assert body(ecr.list_pull_time_update_exclusions()) == listed
        answer = ecr.deregister_pull_time_update_exclusion(principalArn=ROLE)
        assert body(answer) == {"principalArn": ROLE}
        listed = {"pullTimeUpdateExclusions": [USER]}
        assert body(ecr.list_pull_time_update_exclusions()) == listed

    def test_a_list_is_one_accounts_in_one_region(self, app: App, ecr: Any) -> None:
        register(ecr, ROLE)
        for other in (app.ecr(STRANGER), app.ecr(region="eu-west-1")):
            assert body(other.list_pull_time_update_exclusions()) == {
                "pullTimeUpdateExclusions": []
            }

    def test_twice(self, ecr: Any) -> None:
        register(ecr, ROLE)
        assert refusal(ecr.register_pull_time_update_exclusion, principalArn=ROLE) == (
            "ExclusionAlreadyExistsException",
            f"The pull time update exclusion for the principal '{ROLE}' already exists in the "
            f"registry with id '{ACCOUNT}'",
        )

    def test_not_there(self, ecr: Any) -> None:
        assert refusal(ecr.deregister_pull_time_update_exclusion, principalArn=ROLE) == (
            "ExclusionNotFoundException",
            f"The pull time update exclusion for the principal '{ROLE}' does not exist in the "
            f"registry with id '{ACCOUNT}'",
        )

    def test_a_hundred_and_no_more(self, ecr: Any) -> None:
        arns = [f"{ROLE}-{number:03}" for number in range(100)]
        register(ecr, *arns)
        assert refusal(ecr.register_pull_time_update_exclusion, principalArn=ROLE) == (
            "LimitExceededException",
            f"The registry with id '{ACCOUNT}' cannot have more than 100 pull time update "
            "exclusions",
        )
        first = ecr.list_pull_time_update_exclusions(maxResults=60)
        second = ecr.list_pull_time_update_exclusions(nextToken=first["nextToken"])
        assert "nextToken" not in second
        assert first["pullTimeUpdateExclusions"] + second["pullTimeUpdateExclusions"] == arns

    def test_a_token_that_was_not_given_for_the_list(self, ecr: Any) -> None:
        assert refusal(ecr.list_pull_time_update_exclusions, nextToken="x") == (
            "InvalidParameterException",
            "Invalid parameter at 'NextToken' failed to satisfy constraint: 'Invalid next token "
            "provided'",
        )

    @pytest.mark.parametrize(
        "arn",
        [
            "",
            "scanner",
            f"arn:aws:iam::{ACCOUNT}:root",
            SESSION,
            f"arn:aws:iam::{ACCOUNT}:role/{'x' * 200}",
        ],
    )
    @pytest.mark.parametrize(
        "call", ["register_pull_time_update_exclusion", "deregister_pull_time_update_exclusion"]
    )
    def test_users_and_roles_alone(self, ecr: Any, call: str, arn: str) -> None:
        code, _ = refusal(getattr(ecr, call), principalArn=arn)
        assert code == "ValidationException"


#: What users and roles may do here: all, and be whoever they are asked to be.
ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            "Action": "sts:AssumeRole",
        }
    ],
}


@pytest.fixture
def identities(app: App) -> None:
    """Two users and two roles, one of each with a path."""
    users = {
        "auditor": {"path": "/security/", "access_keys": {"AKIAAUDITOREXAMPLE01": "secret"}},
        "build": {"access_keys": {"AKIABUILDEXAMPLE0001": "secret"}},
    }
    roles = {"scanner": {"path": "/security/tools/"}, "deploy": {}}
    document = {
        "accounts": {
            ACCOUNT: {
                "users": {name: {**user, "policies": {"all": ALL}} for name, user in users.items()},
                "roles": {
                    name: {**role, "trust_policy": TRUST, "policies": {"all": ALL}}
                    for name, role in roles.items()
                },
            }
        }
    }
    response = app.request("PUT", "/_emulator/identities", json.dumps(document).encode())
    assert response.status_code == 200, response.text


def client_of(app: App, name: str) -> Any:
    """Return a client of the user, or of a session of the role, *name*."""
    if name == "root":
        return app.ecr()
    keys = {"auditor": "AKIAAUDITOREXAMPLE01", "build": "AKIABUILDEXAMPLE0001"}
    if name in keys:
        return app.ecr(keys[name], secret="secret")
    path = "security/tools/" if name == "scanner" else ""
    credentials = app.ecr(keys["build"], secret="secret", service="sts").assume_role(
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/{path}{name}", RoleSessionName="nightly"
    )["Credentials"]
    return app.ecr(
        credentials["AccessKeyId"],
        secret=credentials["SecretAccessKey"],
        session_token=credentials["SessionToken"],
    )


@pytest.fixture(params=["aws", "oci"])
def pull(request: pytest.FixtureRequest, app: App) -> Callable[[str], None]:
    """Pulls the image v1 as someone, at the one door or the other."""

    def pull_as(name: str) -> None:
        client = client_of(app, name)
        if request.param == "aws":
            (found,) = client.batch_get_image(repositoryName=NAME, imageIds=[{"imageTag": "v1"}])[
                "images"
            ]
            assert found["repositoryName"] == NAME
            return
        (data,) = client.get_authorization_token()["authorizationData"]
        caller = OciCaller(app, data["authorizationToken"])
        caller.expect(200, "GET", f"/v2/{NAME}/manifests/v1")

    return pull_as


def last_pull(ecr: Any) -> Any:
    (detail,) = ecr.describe_images(repositoryName=NAME)["imageDetails"]
    return detail.get("lastRecordedPullTime")


class TestPulls:
    @pytest.fixture(autouse=True)
    def image(self, identities: None, ecr: Any, oci: OciCaller) -> None:
        ecr.create_repository(repositoryName=NAME)
        oci.push(NAME, make_image(layers=1), "v1")

    def test_everyone_counts_at_first(
        self, app: App, ecr: Any, pull: Callable[[str], None]
    ) -> None:
        for name in ("root", "auditor", "scanner"):
            pull(name)
            assert abs(last_pull(ecr) - app.clock.now()) < timedelta(seconds=1)
            app.clock.advance(HOUR)

    @pytest.mark.parametrize(
        ("arn", "excluded", "others"),
        [
            (f"arn:aws:iam::{ACCOUNT}:user/security/auditor", "auditor", ["build", "scanner"]),
            # A role with all its sessions, whose ARNs leave out its path.
            (f"arn:aws:iam::{ACCOUNT}:role/security/tools/scanner", "scanner", ["deploy"]),
            (f"arn:aws:iam::{ACCOUNT}:role/deploy", "deploy", ["scanner", "root"]),
        ],
    )
    def test_the_excluded_leave_no_trace(
        self,
        app: App,
        ecr: Any,
        pull: Callable[[str], None],
        arn: str,
        excluded: str,
        others: list[str],
    ) -> None:
        register(ecr, arn)
        pull(excluded)
        assert last_pull(ecr) is None
        for other in others:
            app.clock.advance(HOUR)
            pull(other)
            seen = last_pull(ecr)
            assert abs(seen - app.clock.now()) < timedelta(seconds=1)
            app.clock.advance(HOUR)
            pull(excluded)
            assert last_pull(ecr) == seen
        ecr.deregister_pull_time_update_exclusion(principalArn=arn)
        pull(excluded)
        assert last_pull(ecr) > seen

    def test_names_are_of_an_account_and_of_one_kind(
        self, app: App, ecr: Any, pull: Callable[[str], None]
    ) -> None:
        register(
            ecr,
            f"arn:aws:iam::{STRANGER}:role/scanner",
            f"arn:aws:iam::{ACCOUNT}:user/scanner",
            f"arn:aws:iam::{ACCOUNT}:role/build",
        )
        for name in ("scanner", "build"):
            pull(name)
            assert abs(last_pull(ecr) - app.clock.now()) < timedelta(seconds=1)
            app.clock.advance(HOUR)

    def test_nothing_is_asked_when_nothing_is_written(
        self, app: App, ecr: Any, oci: OciCaller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A pull soon after another is not recorded, and costs no look at the exclusions."""
        asked = []

        def count(*args: Any) -> bool:
            asked.append(args)
            return is_excluded(*args)

        monkeypatch.setattr("ecr_emulator.registry.image_reads.is_excluded", count)
        for _ in range(3):
            oci.expect(200, "GET", f"/v2/{NAME}/manifests/v1")
        assert len(asked) == 1
        app.clock.advance(HOUR)
        oci.expect(200, "GET", f"/v2/{NAME}/manifests/v1")
        assert len(asked) == 2

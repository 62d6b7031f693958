"""Users, roles and keys of moto's IAM are principals here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ecr_emulator.companions.iam import CompanionIam
from ecr_emulator.policy.documents import InvalidPolicy
from ecr_emulator.policy.identity_policy import parse_identity_policy
from tests.support.app import App, OciCaller
from tests.support.images import make_image

ACCOUNT = "444455556666"
FULL = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryFullAccess"
READ = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly"
POWER = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPowerUser"


def policy(*actions: str, effect: str = "Allow", resource: str = "*") -> str:
    statement = {"Effect": effect, "Action": list(actions), "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def trust(principal: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def iam(app: App) -> Any:
    return app.ecr(ACCOUNT, service="iam")


@pytest.fixture
def key(iam: Any) -> dict[str, str]:
    """The access key of a user without policies."""
    iam.create_user(UserName="joe", Path="/team/", Tags=[{"Key": "team", "Value": "web"}])
    made: dict[str, str] = iam.create_access_key(UserName="joe")["AccessKey"]
    return made


def as_user(app: App, key: Mapping[str, str], service: str = "ecr") -> Any:
    return app.ecr(
        key["AccessKeyId"],
        secret=key["SecretAccessKey"],
        session_token=key.get("SessionToken", ""),
        service=service,
    )


def is_refused(call: Any, code: str = "AccessDeniedException", **params: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**params)
    assert caught.value.response["Error"]["Code"] == code
    return str(caught.value.response["Error"]["Message"])


def test_a_user(app: App, iam: Any, key: dict[str, str]) -> None:
    """What is attached and detached counts from the next call on."""
    ecr = as_user(app, key)
    arn = f"arn:aws:iam::{ACCOUNT}:user/team/joe"
    assert as_user(app, key, "sts").get_caller_identity()["Arn"] == arn
    assert is_refused(ecr.create_repository, repositoryName="app") == (
        f"User: {arn} is not authorized to perform: ecr:CreateRepository on resource: "
        f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/app because no identity-based policy allows "
        "the ecr:CreateRepository action"
    )
    iam.attach_user_policy(UserName="joe", PolicyArn=FULL)
    ecr.create_repository(repositoryName="app")
    iam.put_user_policy(
        UserName="joe", PolicyName="no", PolicyDocument=policy("ecr:Delete*", effect="Deny")
    )
    message = is_refused(ecr.delete_repository, repositoryName="app")
    assert message.endswith("with an explicit deny in an identity-based policy")
    iam.delete_user_policy(UserName="joe", PolicyName="no")
    ecr.delete_repository(repositoryName="app")
    iam.detach_user_policy(UserName="joe", PolicyArn=FULL)
    is_refused(ecr.create_repository, repositoryName="app")


def test_groups(app: App, iam: Any, key: dict[str, str]) -> None:
    ecr = as_user(app, key)
    iam.create_group(GroupName="builders")
    iam.put_group_policy(
        GroupName="builders", PolicyName="make", PolicyDocument=policy("ecr:CreateRepository")
    )
    iam.attach_group_policy(GroupName="builders", PolicyArn=READ)
    is_refused(ecr.create_repository, repositoryName="app")
    iam.add_user_to_group(GroupName="builders", UserName="joe")
    ecr.create_repository(repositoryName="app")
    ecr.describe_repositories()
    iam.remove_user_from_group(GroupName="builders", UserName="joe")
    is_refused(ecr.describe_repositories)


def test_the_default_version_of_a_policy_counts(app: App, iam: Any, key: dict[str, str]) -> None:
    ecr = as_user(app, key)
    arn = iam.create_policy(PolicyName="p", PolicyDocument=policy("ecr:DescribeRegistry"))[
        "Policy"
    ]["Arn"]
    iam.attach_user_policy(UserName="joe", PolicyArn=arn)
    ecr.describe_registry()
    iam.create_policy_version(
        PolicyArn=arn, PolicyDocument=policy("ecr:DescribeRepositories"), SetAsDefault=True
    )
    is_refused(ecr.describe_registry)
    ecr.describe_repositories()
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v1")
    is_refused(ecr.describe_repositories)


def test_keys(app: App, iam: Any, key: dict[str, str]) -> None:
    iam.attach_user_policy(UserName="joe", PolicyArn=FULL)
    ecr = as_user(app, key)
    ecr.describe_repositories()
    wrong = {**key, "SecretAccessKey": "wrong"}
    is_refused(as_user(app, wrong).describe_repositories, "InvalidSignatureException")
    key_id = key["AccessKeyId"]
    iam.update_access_key(UserName="joe", AccessKeyId=key_id, Status="Inactive")
    is_refused(ecr.describe_repositories, "UnrecognizedClientException")
    iam.update_access_key(UserName="joe", AccessKeyId=key_id, Status="Active")
    ecr.describe_repositories()
    iam.delete_access_key(UserName="joe", AccessKeyId=key_id)
    is_refused(ecr.describe_repositories, "UnrecognizedClientException")


def test_conditions_on_tags(app: App, iam: Any, key: dict[str, str]) -> None:
    document = json.loads(policy("ecr:DescribeRepositories"))
    document["Statement"][0]["Condition"] = {"StringEquals": {"aws:PrincipalTag/team": "web"}}
    iam.put_user_policy(UserName="joe", PolicyName="p", PolicyDocument=json.dumps(document))
    ecr = as_user(app, key)
    ecr.describe_repositories()
    iam.tag_user(UserName="joe", Tags=[{"Key": "team", "Value": "other"}])
    is_refused(ecr.describe_repositories)


def test_push_and_pull(app: App, iam: Any, key: dict[str, str]) -> None:
    app.ecr(ACCOUNT).create_repository(repositoryName="app")
    iam.attach_user_policy(UserName="joe", PolicyArn=POWER)
    (data,) = as_user(app, key).get_authorization_token()["authorizationData"]
    oci = OciCaller(app, data["authorizationToken"])
    image = make_image()
    oci.push("app", image, "v1")
    iam.detach_user_policy(UserName="joe", PolicyArn=POWER)
    iam.attach_user_policy(UserName="joe", PolicyArn=READ)
    message = oci.refused(403, "DENIED", "POST", "/v2/app/blobs/uploads/")
    assert "because no identity-based policy allows the ecr:InitiateLayerUpload" in message
    oci.expect(200, "GET", "/v2/app/manifests/v1")
    # The token lives on (it names the user), and opens nothing for a user who is gone.
    iam.detach_user_policy(UserName="joe", PolicyArn=READ)
    iam.delete_access_key(UserName="joe", AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName="joe")
    oci.refused(403, "DENIED", "GET", "/v2/app/manifests/v1")


def test_boundaries_of_users(app: App, iam: Any, key: dict[str, str]) -> None:
    """moto has none of its own."""
    iam.attach_user_policy(UserName="joe", PolicyArn=FULL)
    iam.put_user_permissions_boundary(UserName="joe", PermissionsBoundary=READ)
    ecr = as_user(app, key)
    ecr.describe_repositories()
    no_boundary = "because no permissions boundary allows the ecr:CreateRepository action"
    assert is_refused(ecr.create_repository, repositoryName="app").endswith(no_boundary)
    shown = iam.get_user(UserName="joe")["User"]["PermissionsBoundary"]
    assert shown["PermissionsBoundaryArn"] == READ
    iam.delete_user_permissions_boundary(UserName="joe")
    assert "PermissionsBoundary" not in iam.get_user(UserName="joe")["User"]
    ecr.create_repository(repositoryName="app")

    iam.create_user(UserName="jane", PermissionsBoundary=READ)
    iam.attach_user_policy(UserName="jane", PolicyArn=FULL)
    jane = iam.create_access_key(UserName="jane")["AccessKey"]
    message = is_refused(as_user(app, jane).create_repository, repositoryName="other")
    assert message.endswith(no_boundary)
    for call in (iam.create_user, iam.put_user_permissions_boundary):
        is_refused(call, "NoSuchEntity", UserName="new", PermissionsBoundary=f"{READ}Not")


class TestRoles:
    ROLE = f"arn:aws:iam::{ACCOUNT}:role/ci/builder"

    def assume(self, app: App, key: Mapping[str, str], **more: Any) -> dict[str, str]:
        sts = as_user(app, key, "sts")
        answer = sts.assume_role(RoleArn=self.ROLE, RoleSessionName="run-1", **more)
        credentials: dict[str, str] = answer["Credentials"]
        return credentials

    def make(self, iam: Any, who: str, **more: Any) -> None:
        iam.create_role(
            RoleName="builder", Path="/ci/", AssumeRolePolicyDocument=trust(who), **more
        )

    def test_assumed(self, app: App, iam: Any, key: dict[str, str]) -> None:
        self.make(iam, f"arn:aws:iam::{ACCOUNT}:user/team/joe")
        iam.attach_role_policy(RoleName="builder", PolicyArn=READ)
        session = self.assume(app, key)
        ecr = as_user(app, session)
        who = f"arn:aws:sts::{ACCOUNT}:assumed-role/builder/run-1"
        assert as_user(app, session, "sts").get_caller_identity()["Arn"] == who
        ecr.describe_repositories()
        assert who in is_refused(ecr.create_repository, repositoryName="app")
        iam.put_role_policy(
            RoleName="builder", PolicyName="p", PolicyDocument=policy("ecr:CreateRepository")
        )
        ecr.create_repository(repositoryName="app")
        limited = as_user(app, self.assume(app, key, Policy=policy("ecr:DescribeRegistry")))
        is_refused(limited.describe_repositories)

    def test_not_trusted(self, app: App, iam: Any, key: dict[str, str]) -> None:
        with pytest.raises(ClientError, match="AccessDenied"):
            self.assume(app, key)
        self.make(iam, "arn:aws:iam::999999999999:root")
        with pytest.raises(ClientError, match="AccessDenied"):
            self.assume(app, key)
        iam.update_assume_role_policy(
            RoleName="builder",
            PolicyDocument=trust(f"arn:aws:iam::{ACCOUNT}:user/team/joe"),
        )
        self.assume(app, key)

    def test_boundary(self, app: App, iam: Any, key: dict[str, str]) -> None:
        boundary = iam.create_policy(PolicyName="bounds", PolicyDocument=policy("ecr:Describe*"))[
            "Policy"
        ]["Arn"]
        self.make(iam, f"arn:aws:iam::{ACCOUNT}:user/team/joe", PermissionsBoundary=boundary)
        iam.attach_role_policy(RoleName="builder", PolicyArn=FULL)
        ecr = as_user(app, self.assume(app, key))
        ecr.describe_repositories()
        message = is_refused(ecr.create_repository, repositoryName="app")
        assert message.endswith(
            "because no permissions boundary allows the ecr:CreateRepository action"
        )
        iam.delete_role_permissions_boundary(RoleName="builder")
        ecr.create_repository(repositoryName="app")


class Told:
    """A companion that answers as it is told."""

    def __init__(self, **found: Any) -> None:
        self.found = found

    def ask(self, question: str, arguments: Mapping[str, str]) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self.found.get(question)
        return found


def test_a_policy_that_cannot_be_read_denies_everything() -> None:
    told: Any = Told(
        identity={
            "path": "/",
            "id": "AIDA",
            "arn": "arn:aws:iam::444455556666:user/joe",
            "created_at": 0,
            "tags": {},
            "policies": {"good": policy("ecr:*"), "bad": "{"},
            "boundary": "",
            "trust": None,
        }
    )
    found = CompanionIam(told).find(ACCOUNT, "user", "joe")
    assert found is not None
    identity, policies = found
    assert policies["good"] == policy("ecr:*")
    denial = '{"Sid":"PolicyThatCannotBeRead","Effect":"Deny","Action":"*","Resource":"*"}'
    assert denial in policies["bad"]
    assert identity.permissions_boundary == policies["bad"]


def test_aws_own_policies_can_be_read() -> None:
    """All but the one for a service-linked role, which is larger than IAM lets others be."""
    moto = pytest.importorskip("moto.iam.models")
    moto_state = pytest.importorskip("ecr_emulator.companions.moto_state")
    unreadable = set()
    for name, described in json.loads(moto.aws_managed_policies_data).items():
        found = moto.AWSManagedPolicy.from_data(name, ACCOUNT, "aws", described)
        try:
            parse_identity_policy(moto_state._default_text(found))
        except InvalidPolicy:
            unreadable.add(name)
    assert unreadable == {"AWSSupportServiceRolePolicy"}


def test_the_emulators_own_users_come_first(app: App, iam: Any, key: dict[str, str]) -> None:
    document = {
        "accounts": {ACCOUNT: {"users": {"joe": {"policies": {"p": json.loads(policy("ecr:*"))}}}}}
    }
    assert app.request("PUT", "/_emulator/identities", json.dumps(document).encode()).json == {
        "status": "ok",
        "identities": 1,
    }
    as_user(app, key).create_repository(repositoryName="app")

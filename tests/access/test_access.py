"""Access decided by policies, through both doors.

The decision itself is tested case by case in ``tests/policy``; here it is that each door asks,
with the right principal, action, resource and context, and gives AWS's answer.
"""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ecr_emulator.db.migrate import upgrade
from tests.support.app import App, OciCaller
from tests.support.images import make_image

OWNER = "111111111111"
GUEST = "222222222222"
CI_ARN = f"arn:aws:iam::{OWNER}:user/teams/web/ci"


def client(app: App, key: str, secret: str, service: str = "ecr", token: str = "") -> Any:
    return app.ecr(key, secret=secret, service=service, session_token=token)


def ci(app: App, service: str = "ecr") -> Any:
    return client(app, "AKIACIEXAMPLE0000001", "ci-secret", service)


def guest(app: App) -> Any:
    return client(app, "AKIAGUESTEXAMPLE0001", "guest-secret")


def denied(call: Any, **params: Any) -> str:
    """Make a call that must be denied, and return AWS's message."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    assert error["Code"] == "AccessDeniedException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return str(error["Message"])


def arn(name: str, account: str = OWNER) -> str:
    return f"arn:aws:ecr:us-east-1:{account}:repository/{name}"


def door(app: App, ecr: Any, registry: str = OWNER) -> OciCaller:
    """Return the OCI door with a token of *ecr*'s caller for a registry."""
    (data,) = ecr.get_authorization_token(registryIds=[registry])["authorizationData"]
    return OciCaller(app, data["authorizationToken"])


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


PULL = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"]


class TestIdentityPolicies:
    def test_allowed_by_its_resource(self, app: App) -> None:
        ecr = ci(app)
        assert ecr.create_repository(repositoryName="web-a")["repository"]["registryId"] == OWNER
        assert denied(ecr.create_repository, repositoryName="other") == (
            f"User: {CI_ARN} is not authorized to perform: ecr:CreateRepository on resource: "
            f"{arn('other')} because no identity-based policy allows the ecr:CreateRepository "
            "action"
        )

    def test_explicit_deny(self, app: App) -> None:
        ecr = ci(app)
        ecr.create_repository(repositoryName="web-a")
        assert denied(ecr.delete_repository, repositoryName="web-a") == (
            f"User: {CI_ARN} is not authorized to perform: ecr:DeleteRepository on resource: "
            f"{arn('web-a')} with an explicit deny in an identity-based policy"
        )

    def test_every_repository_named_is_asked_for(self, app: App) -> None:
        app.ecr(OWNER).create_repository(repositoryName="other")
        ecr = ci(app)
        ecr.create_repository(repositoryName="web-a")
        message = denied(ecr.describe_repositories, repositoryNames=["web-a", "other"])
        assert f"on resource: {arn('other')} " in message
        assert f"on resource: {arn('*')} " in denied(ecr.describe_repositories)

    def test_without_policies(self, app: App) -> None:
        nobody = client(app, "AKIANOBODYEXAMPLE001", "nobody-secret")
        assert "ecr:GetAuthorizationToken on resource: * " in denied(nobody.get_authorization_token)

    def test_permissions_boundary(self, app: App) -> None:
        held = client(app, "AKIAHELDEXAMPLE00001", "held-secret")
        assert held.describe_repositories()["repositories"] == []
        assert denied(held.create_repository, repositoryName="aa").endswith(
            "because no permissions boundary allows the ecr:CreateRepository action"
        )

    def test_wrong_secret(self, app: App) -> None:
        with pytest.raises(ClientError, match="InvalidSignatureException"):
            client(app, "AKIACIEXAMPLE0000001", "wrong").describe_repositories()

    def test_a_deleted_user_is_nobody(self, app: App) -> None:
        ecr = ci(app)
        ecr.create_repository(repositoryName="web-a")
        here = {"REMOTE_ADDR": "127.0.0.1"}
        path = f"/_emulator/identities?arn={CI_ARN}"
        assert app.request("DELETE", path, environ=here).status_code == 200
        with pytest.raises(ClientError, match="UnrecognizedClientException"):
            ecr.create_repository(repositoryName="web-b")
        # A reset brings the file's users back.
        assert app.request("POST", "/_emulator/reset", environ=here).status_code == 200
        ecr.create_repository(repositoryName="web-b")


class TestResourcePolicies:
    def test_cross_account_pull(self, app: App) -> None:
        owner = app.ecr(OWNER)
        owner.create_repository(repositoryName="shared")
        image = make_image()
        app.oci(OWNER).push("shared", image, "v1")
        ecr = guest(app)
        message = denied(ecr.describe_images, registryId=OWNER, repositoryName="shared")
        assert message.endswith(
            "because no resource-based policy allows the ecr:DescribeImages action"
        )
        pull = door(app, ecr)
        text = pull.refused(403, "DENIED", "GET", "/v2/shared/manifests/v1")
        assert text == (
            f"User: arn:aws:iam::{GUEST}:user/guest is not authorized to perform: "
            f"ecr:BatchGetImage on resource: {arn('shared')} because no resource-based policy "
            "allows the ecr:BatchGetImage action"
        )
        owner.set_repository_policy(
            repositoryName="shared",
            policyText=policy({"Effect": "Allow", "Principal": {"AWS": GUEST}, "Action": PULL}),
        )
        assert pull.expect(200, "GET", "/v2/shared/manifests/v1").data == image.manifest.data
        layer = image.blobs[-1]
        assert pull.expect(200, "GET", f"/v2/shared/blobs/{layer.digest}").data == layer.data
        pull.refused(403, "DENIED", "POST", "/v2/shared/blobs/uploads/")
        pull.refused(403, "DENIED", "GET", "/v2/shared/tags/list")

    def test_registry_policy(self, app: App) -> None:
        owner = app.ecr(OWNER)
        owner.create_repository(repositoryName="shared")
        owner.put_registry_policy(
            policyText=policy(
                {
                    "Sid": "Guests",
                    "Effect": "Allow",
                    "Principal": {"AWS": f"arn:aws:iam::{GUEST}:root"},
                    "Action": ["ecr:DescribeImages"],
                    "Resource": f"arn:aws:ecr:us-east-1:{OWNER}:repository/sh*",
                }
            )
        )
        found = guest(app).describe_images(registryId=OWNER, repositoryName="shared")
        assert found["imageDetails"] == []

    def test_a_deny_holds_the_root_user_too(self, app: App) -> None:
        owner = app.ecr(OWNER)
        owner.create_repository(repositoryName="frozen")
        owner.set_repository_policy(
            repositoryName="frozen",
            policyText=policy(
                {
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": ["ecr:PutImage", "ecr:InitiateLayerUpload"],
                }
            ),
        )
        text = app.oci(OWNER).refused(403, "DENIED", "POST", "/v2/frozen/blobs/uploads/")
        assert text.endswith("with an explicit deny in a resource-based policy")

    def test_conditions_see_tags_and_organization(self, app: App) -> None:
        owner = app.ecr(OWNER)
        for team in ("web", "ops"):
            owner.create_repository(
                repositoryName=f"by-tag/{team}", tags=[{"Key": "team", "Value": team}]
            )
            owner.set_repository_policy(
                repositoryName=f"by-tag/{team}",
                policyText=policy(
                    {
                        "Effect": "Allow",
                        "Principal": "*",
                        "Action": "ecr:ListImages",
                        "Condition": {
                            "StringEquals": {
                                "aws:PrincipalOrgID": "o-example123",
                                "ecr:ResourceTag/team": "${aws:PrincipalTag/team}",
                            }
                        },
                    }
                ),
            )
        ecr = ci(app)
        assert ecr.list_images(repositoryName="by-tag/web")["imageIds"] == []
        denied(ecr.list_images, repositoryName="by-tag/ops")
        # Another account is in no organization.
        denied(guest(app).list_images, registryId=OWNER, repositoryName="by-tag/web")


class TestRoles:
    def assume(self, app: App, **params: Any) -> dict[str, Any]:
        sts = ci(app, "sts")
        answer: dict[str, Any] = sts.assume_role(
            RoleArn=f"arn:aws:iam::{OWNER}:role/reader", RoleSessionName="build-7", **params
        )
        return answer

    def session(self, app: App, credentials: dict[str, str], service: str = "ecr") -> Any:
        return client(
            app,
            credentials["AccessKeyId"],
            credentials["SecretAccessKey"],
            service,
            credentials["SessionToken"],
        )

    def test_assume_role(self, app: App) -> None:
        app.ecr(OWNER).create_repository(repositoryName="aa")
        app.oci(OWNER).push("aa", make_image(), "v1")
        answer = self.assume(app)
        user = answer["AssumedRoleUser"]
        assert user["Arn"] == f"arn:aws:sts::{OWNER}:assumed-role/reader/build-7"
        assert user["AssumedRoleId"].startswith("AROA")
        assert user["AssumedRoleId"].endswith(":build-7")
        credentials = answer["Credentials"]
        identity = self.session(app, credentials, "sts").get_caller_identity()
        assert (identity["Arn"], identity["UserId"]) == (user["Arn"], user["AssumedRoleId"])
        ecr = self.session(app, credentials)
        assert len(ecr.describe_images(repositoryName="aa")["imageDetails"]) == 1
        assert f"User: {user['Arn']} is not authorized" in denied(
            ecr.create_repository, repositoryName="bb"
        )
        # A read-only role at docker's door.
        caller = door(app, ecr)
        caller.expect(200, "GET", "/v2/aa/manifests/v1")
        text = caller.refused(403, "DENIED", "POST", "/v2/aa/blobs/uploads/")
        assert text == (
            f"User: {user['Arn']} is not authorized to perform: ecr:InitiateLayerUpload on "
            f"resource: {arn('aa')} because no identity-based policy allows the "
            "ecr:InitiateLayerUpload action"
        )

    def test_credentials_expire(self, app: App) -> None:
        credentials = self.assume(app, DurationSeconds=900)["Credentials"]
        ecr = self.session(app, credentials)
        ecr.describe_repositories()
        app.clock.advance(timedelta(seconds=901))
        with pytest.raises(ClientError, match="ExpiredTokenException"):
            ecr.describe_repositories()

    def test_session_policy_limits(self, app: App) -> None:
        text = policy({"Effect": "Allow", "Action": "ecr:DescribeRepositories", "Resource": "*"})
        ecr = self.session(app, self.assume(app, Policy=text)["Credentials"])
        app.ecr(OWNER).create_repository(repositoryName="aa")
        assert len(ecr.describe_repositories()["repositories"]) == 1
        assert denied(ecr.describe_images, repositoryName="aa").endswith(
            "because no session policy allows the ecr:DescribeImages action"
        )

    def test_session_tags(self, app: App) -> None:
        owner = app.ecr(OWNER)
        owner.create_repository(repositoryName="aa")
        owner.set_repository_policy(
            repositoryName="aa",
            policyText=policy(
                {
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "ecr:DescribeImages",
                    "Condition": {"StringNotEquals": {"aws:PrincipalTag/stage": "prod"}},
                }
            ),
        )
        tagged = self.assume(app, Tags=[{"Key": "stage", "Value": "prod"}])["Credentials"]
        self.session(app, tagged).describe_images(repositoryName="aa")
        plain = self.session(app, self.assume(app)["Credentials"])
        denied(plain.describe_images, repositoryName="aa")

    def test_trust_policy_decides(self, app: App) -> None:
        sts = client(app, "AKIAGUESTEXAMPLE0001", "guest-secret", "sts")
        with pytest.raises(ClientError) as caught:
            sts.assume_role(RoleArn=f"arn:aws:iam::{OWNER}:role/reader", RoleSessionName="x1")
        assert caught.value.response["Error"]["Code"] == "AccessDenied"
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403

    @pytest.mark.parametrize("role", ["missing", "other/reader"])
    def test_no_such_role(self, app: App, role: str) -> None:
        with pytest.raises(ClientError) as caught:
            ci(app, "sts").assume_role(
                RoleArn=f"arn:aws:iam::{OWNER}:role/{role}", RoleSessionName="x1"
            )
        assert caught.value.response["Error"] == {
            "Code": "AccessDenied",
            "Type": "Sender",
            "Message": f"User: {CI_ARN} is not authorized to perform: sts:AssumeRole on "
            f"resource: arn:aws:iam::{OWNER}:role/{role}",
        }

    def test_malformed_session_policy(self, app: App) -> None:
        with pytest.raises(ClientError, match="MalformedPolicyDocument"):
            self.assume(app, Policy="{}")


class TestVpcEndpoint:
    POLICY = policy(
        {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "ecr:*",
            "Condition": {"StringNotEquals": {"aws:SourceVpce": "vpce-0123456789abcdef0"}},
        }
    )

    def test_private_repository(self, app: App) -> None:
        owner = app.ecr(OWNER)
        owner.create_repository(repositoryName="private")
        caller = door(app, owner)
        owner.set_repository_policy(repositoryName="private", policyText=self.POLICY, force=True)
        path = "/v2/private/tags/list"
        caller.refused(403, "DENIED", "GET", path)
        caller.expect(200, "GET", path, environ={"REMOTE_ADDR": "10.1.2.7"})

    def test_security_group_cuts_off(self, app: App) -> None:
        caller = door(app, app.ecr(OWNER))
        response = app.request(
            "GET",
            "/v2/",
            headers={"Authorization": f"Basic {caller.token}"},
            environ={"REMOTE_ADDR": "10.1.3.7"},
        )
        assert response.status_code == 403


def test_tokens_of_another_installation(app: App, tmp_path: Path) -> None:
    # An installation gets its secret with its database; those of the tests are copies of one.
    folder = tmp_path / "other"
    folder.mkdir()
    upgrade(f"sqlite:///{folder}/registry.sqlite3")
    other = App(folder)
    try:
        token = other.oci(OWNER).token
        assert token is not None
        assert base64.b64decode(token).startswith(b"AWS:")
        OciCaller(app, token).refused(400, "DENIED", "GET", "/v2/")
    finally:
        other.close()

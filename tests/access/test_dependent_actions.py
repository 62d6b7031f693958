"""The actions that an operation needs besides its own: asked for at both doors, as documented.

The table is ``ecr_emulator/policy/actions.py``, each line with the document it comes from.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.access.test_access import denied, door
from tests.support.app import App
from tests.support.fake_upstream import FakeUpstream
from tests.support.images import make_image

ACCOUNT = "111111111111"
WHO = f"arn:aws:iam::{ACCOUNT}:user/maker"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/maker-role"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"
PROFILE = f"arn:aws:signer:us-east-1:{ACCOUNT}:/signing-profiles/release"
UPSTREAM = {"ecrRepositoryPrefix": "quay", "upstreamRegistryUrl": "quay.io"}


def maker(app: App, *actions: str, statements: Any = ()) -> Any:
    """Return a client of a user who may do *actions* on everything, and what *statements* say."""
    allowed = [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}] if actions else []
    document = {
        "accounts": {
            ACCOUNT: {
                "users": {
                    "maker": {
                        "access_keys": {"AKIAMAKEREXAMPLE0001": "maker-secret"},
                        "policies": {
                            "made": {
                                "Version": "2012-10-17",
                                "Statement": [*allowed, *statements],
                            }
                        },
                    }
                }
            }
        }
    }
    answer = app.request("PUT", "/_emulator/identities", json.dumps(document).encode())
    assert answer.status_code == 200, answer.text
    return app.ecr("AKIAMAKEREXAMPLE0001", secret="maker-secret")


def refusal(action: str, resource: str) -> str:
    return (
        f"User: {WHO} is not authorized to perform: {action} on resource: {resource} because no"
        f" identity-based policy allows the {action} action"
    )


def repository(name: str) -> str:
    return f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/{name}"


def service_role(service: str, name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/{service}/{name}"


class TestRoles:
    """Roles that are handed to ECR, and those that it makes for itself."""

    PULL_THROUGH = service_role(
        "pullthroughcache.ecr.amazonaws.com", "AWSServiceRoleForECRPullThroughCache"
    )

    def test_a_rule_that_names_a_role(self, app: App) -> None:
        rule = {
            "ecrRepositoryPrefix": "other",
            "upstreamRegistryUrl": "222222222222.dkr.ecr.us-east-1.amazonaws.com",
            "customRoleArn": ROLE,
        }
        actions = ("ecr:*", "iam:CreateServiceLinkedRole")
        message = denied(maker(app, *actions).create_pull_through_cache_rule, **rule)
        assert message == refusal("iam:PassRole", ROLE)

        def passing(service: str) -> Any:
            statement = {
                "Effect": "Allow",
                "Action": "iam:PassRole",
                "Resource": ROLE,
                "Condition": {"StringEquals": {"iam:PassedToService": service}},
            }
            return maker(app, *actions, statements=[statement])

        denied(passing("ecr.amazonaws.com").create_pull_through_cache_rule, **rule)
        ecr = passing("pullthroughcache.ecr.amazonaws.com")
        assert ecr.create_pull_through_cache_rule(**rule)["customRoleArn"] == ROLE
        update = {"ecrRepositoryPrefix": "other", "customRoleArn": ROLE}
        assert ecr.update_pull_through_cache_rule(**update)["customRoleArn"] == ROLE
        message = denied(maker(app, *actions).update_pull_through_cache_rule, **update)
        assert message == refusal("iam:PassRole", ROLE)

    def test_the_first_rule_needs_a_service_linked_role(self, app: App) -> None:
        message = denied(maker(app, "ecr:*").create_pull_through_cache_rule, **UPSTREAM)
        assert message == refusal("iam:CreateServiceLinkedRole", self.PULL_THROUGH)
        statement = {
            "Effect": "Allow",
            "Action": "iam:CreateServiceLinkedRole",
            "Resource": "*",
            "Condition": {
                "StringEquals": {"iam:AWSServiceName": "pullthroughcache.ecr.amazonaws.com"}
            },
        }
        ecr = maker(app, "ecr:*", statements=[statement])
        ecr.create_pull_through_cache_rule(**UPSTREAM)
        listed = app.request("GET", "/_emulator/identities").get_json()["identities"]
        assert self.PULL_THROUGH in {item["arn"] for item in listed}
        # Once it is there, no caller need be allowed to create it.
        second = {**UPSTREAM, "ecrRepositoryPrefix": "more"}
        maker(app, "ecr:*").create_pull_through_cache_rule(**second)
        # That of replication is another one.
        message = denied(ecr.put_replication_configuration, replicationConfiguration={"rules": []})
        arn = service_role("replication.ecr.amazonaws.com", "AWSServiceRoleForECRReplication")
        assert message == refusal("iam:CreateServiceLinkedRole", arn)

    def test_the_root_user_makes_it_for_all(self, app: App) -> None:
        app.ecr(ACCOUNT).create_pull_through_cache_rule(**UPSTREAM)
        second = {**UPSTREAM, "ecrRepositoryPrefix": "more"}
        maker(app, "ecr:CreatePullThroughCacheRule").create_pull_through_cache_rule(**second)

    def test_a_template(self, app: App) -> None:
        template = {
            "prefix": "team",
            "appliedFor": ["CREATE_ON_PUSH"],
            "customRoleArn": ROLE,
            "repositoryPolicy": json.dumps({"Version": "2012-10-17", "Statement": []}),
            "lifecyclePolicy": json.dumps(
                {
                    "rules": [
                        {
                            "rulePriority": 1,
                            "selection": {
                                "tagStatus": "any",
                                "countType": "imageCountMoreThan",
                                "countNumber": 5,
                            },
                            "action": {"type": "expire"},
                        }
                    ]
                }
            ),
        }
        arn = service_role("ecr.amazonaws.com", "AWSServiceRoleForECRTemplate")
        allowed = ["ecr:CreateRepositoryCreationTemplate"]
        for action, resource in (
            ("ecr:CreateRepository", repository("team/*")),
            ("ecr:PutLifecyclePolicy", repository("team/*")),
            ("ecr:SetRepositoryPolicy", repository("team/*")),
            ("iam:PassRole", ROLE),
            ("iam:CreateServiceLinkedRole", arn),
        ):
            ecr = maker(app, *allowed)
            assert denied(ecr.create_repository_creation_template, **template) == refusal(
                action, resource
            )
            allowed.append(action)
        # What remains is a matter of the template itself: a policy without statements.
        with pytest.raises(ClientError) as caught:
            maker(app, *allowed).create_repository_creation_template(**template)
        assert caught.value.response["Error"]["Code"] != "AccessDeniedException"
        # A template that names none of them needs none of them.
        plain = {"prefix": "bare", "appliedFor": ["CREATE_ON_PUSH"]}
        ecr = maker(app, "ecr:CreateRepository*", "iam:CreateServiceLinkedRole")
        ecr.create_repository_creation_template(**plain)


class TestCreateOnPush:
    PUSH = (
        "ecr:GetAuthorizationToken",
        "ecr:BatchCheckLayerAvailability",
        "ecr:InitiateLayerUpload",
        "ecr:UploadLayerPart",
        "ecr:CompleteLayerUpload",
        "ecr:PutImage",
    )

    @pytest.fixture(autouse=True)
    def template(self, app: App) -> None:
        app.ecr(ACCOUNT).create_repository_creation_template(
            prefix="team",
            appliedFor=["CREATE_ON_PUSH"],
            resourceTags=[{"Key": "team", "Value": "web"}],
            customRoleArn=ROLE,
        )

    def test_who_may_not_create(self, app: App) -> None:
        ecr = maker(app, *self.PUSH)
        expected = refusal("ecr:CreateRepository", repository("team/app"))
        assert denied(ecr.initiate_layer_upload, repositoryName="team/app") == expected
        message = denied(ecr.put_image, repositoryName="team/app", imageManifest="{}")
        assert message == expected
        caller = door(app, ecr, ACCOUNT)
        uploads = "/v2/team/app/blobs/uploads/"
        assert caller.refused(403, "DENIED", "POST", uploads) == expected
        manifest = make_image().manifest
        path = "/v2/team/app/manifests/1"
        headers = {"Content-Type": manifest.media_type}
        assert caller.refused(403, "DENIED", "PUT", path, manifest.data, headers) == expected
        # Nothing was created by any of them; nor is there anything where no template covers.
        assert app.ecr(ACCOUNT).describe_repositories()["repositories"] == []
        caller.refused(404, "NAME_UNKNOWN", "POST", "/v2/elsewhere/blobs/uploads/")

    def test_who_may_not_tag(self, app: App) -> None:
        ecr = maker(app, *self.PUSH, "ecr:CreateRepository")
        expected = refusal("ecr:TagResource", repository("team/app"))
        assert denied(ecr.initiate_layer_upload, repositoryName="team/app") == expected

    def test_conditions_see_the_tags_of_the_template(self, app: App) -> None:
        def tagging(value: str) -> Any:
            statement = {
                "Effect": "Allow",
                "Action": ["ecr:CreateRepository", "ecr:TagResource"],
                "Resource": "*",
                "Condition": {
                    "StringEquals": {"aws:RequestTag/team": value},
                    "ForAllValues:StringEquals": {"aws:TagKeys": ["team"]},
                },
            }
            return maker(app, *self.PUSH, statements=[statement])

        denied(tagging("ops").initiate_layer_upload, repositoryName="team/app")
        caller = door(app, tagging("web"), ACCOUNT)
        caller.push("team/app", make_image(), "1")
        (found,) = app.ecr(ACCOUNT).describe_repositories()["repositories"]
        assert found["repositoryName"] == "team/app"
        # It is there now: pushing takes no more than that.
        door(app, maker(app, *self.PUSH), ACCOUNT).push("team/app", make_image(), "2")


class TestWhoMayPullThrough:
    """User guide, "IAM permissions required to sync an upstream registry"."""

    PULL = ("ecr:GetAuthorizationToken", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")

    @pytest.fixture
    def app(self, tmp_path: Path, upstream: FakeUpstream) -> Iterator[App]:
        made = App(tmp_path / "data", upstreams={"quay.io": upstream.url})
        owner = made.ecr(ACCOUNT)
        owner.create_pull_through_cache_rule(**UPSTREAM)
        owner.create_repository_creation_template(
            prefix="quay",
            appliedFor=["PULL_THROUGH_CACHE"],
            resourceTags=[{"Key": "team", "Value": "web"}],
            customRoleArn=ROLE,
        )
        yield made
        made.close()

    @pytest.fixture
    def upstream(self) -> Iterator[FakeUpstream]:
        made = FakeUpstream()
        yield made
        made.close()

    def test_each_action_is_needed(self, app: App, upstream: FakeUpstream) -> None:
        image = make_image()
        upstream.add("team/app", image, "1")
        name = "quay/team/app"
        allowed = list(self.PULL)
        for action in ("ecr:BatchImportUpstreamImage", "ecr:CreateRepository", "ecr:TagResource"):
            ecr = maker(app, *allowed)
            expected = refusal(action, repository(name))
            caller = door(app, ecr, ACCOUNT)
            path = f"/v2/{name}/manifests/1"
            assert caller.refused(403, "DENIED", "GET", path) == expected
            ids = [{"imageTag": "1"}]
            assert denied(ecr.batch_get_image, repositoryName=name, imageIds=ids) == expected
            allowed.append(action)
        caller = door(app, maker(app, *allowed), ACCOUNT)
        caller.expect(200, "GET", f"/v2/{name}/manifests/1")
        # A layer that is not there yet is an import too; what is there is not.
        layer = f"/v2/{name}/blobs/{image.blobs[-1].digest}"
        reader = door(app, maker(app, *self.PULL), ACCOUNT)
        assert reader.refused(403, "DENIED", "GET", layer) == refusal(
            "ecr:BatchImportUpstreamImage", repository(name)
        )
        door(app, maker(app, *allowed), ACCOUNT).expect(200, "GET", layer)
        # It is stored on its way to the client, or a little later: a HEAD waits for that.
        app.oci(ACCOUNT).expect(200, "HEAD", layer)
        reader = door(app, maker(app, *self.PULL), ACCOUNT)
        reader.expect(200, "GET", layer)
        reader.expect(200, "GET", f"/v2/{name}/manifests/1")


class TestKeys:
    """User guide, "Encryption at rest", "Required IAM permissions"."""

    ENCRYPTED = {"encryptionType": "KMS", "kmsKey": KEY}  # noqa: RUF012

    def kms_refusal(self, call: Any, **params: Any) -> str:
        with pytest.raises(ClientError) as caught:
            call(**params)
        error = caught.value.response
        assert error["Error"]["Code"] == "KmsException"
        assert error["kmsError"] == "AccessDeniedException"
        return str(error["Error"]["Message"])

    def test_a_customer_managed_key(self, app: App) -> None:
        params = {"repositoryName": "aa", "encryptionConfiguration": self.ENCRYPTED}
        allowed = ["ecr:*"]
        for action in ("kms:DescribeKey", "kms:CreateGrant", "kms:RetireGrant"):
            ecr = maker(app, *allowed)
            assert self.kms_refusal(ecr.create_repository, **params) == refusal(action, KEY)
            allowed.append(action)
        statement = {
            "Effect": "Allow",
            "Action": "kms:*",
            "Resource": KEY,
            "Condition": {"StringEquals": {"kms:ViaService": "ecr.us-east-1.amazonaws.com"}},
        }
        created = maker(app, "ecr:*", statements=[statement]).create_repository(**params)
        assert created["repository"]["encryptionConfiguration"]["kmsKey"] == KEY

    def test_the_key_that_aws_manages(self, app: App) -> None:
        """Whoever may create a repository may; who deletes it retires the grants."""
        ecr = maker(app, "ecr:*")
        created = ecr.create_repository(
            repositoryName="aa", encryptionConfiguration={"encryptionType": "KMS"}
        )
        key = created["repository"]["encryptionConfiguration"]["kmsKey"]
        message = self.kms_refusal(ecr.delete_repository, repositoryName="aa")
        assert message == (
            "The repository [aa] has been deleted successfully but the grants created by the"
            f" kmsKey [{key}] failed to be retired"
        )
        assert ecr.describe_repositories()["repositories"] == []
        ecr = maker(app, "ecr:*", "kms:RetireGrant")
        ecr.create_repository(
            repositoryName="bb", encryptionConfiguration={"encryptionType": "KMS"}
        )
        ecr.delete_repository(repositoryName="bb")


class TestSigning:
    """Images are signed in the name of the one who pushes them (user guide, Managed signing)."""

    def test_who_may_not_sign(self, app: App) -> None:
        owner = app.ecr(ACCOUNT)
        owner.create_repository(repositoryName="aa")
        owner.put_signing_configuration(
            signingConfiguration={"rules": [{"signingProfileArn": PROFILE}]}
        )

        def status(tag: str) -> dict[str, Any]:
            (found,) = owner.describe_image_signing_status(
                repositoryName="aa", imageId={"imageTag": tag}
            )["signingStatuses"]
            return dict(found)

        image = make_image()
        door(app, maker(app, "ecr:*"), ACCOUNT).push("aa", image, "1")
        assert status("1") == {
            "signingProfileArn": PROFILE,
            "status": "FAILED",
            "failureCode": "AccessDeniedException",
            "failureReason": refusal("signer:SignPayload", PROFILE),
        }
        app.run_jobs()
        assert status("1")["status"] == "FAILED"
        # The same image, by someone who may.
        statement = {"Effect": "Allow", "Action": "signer:SignPayload", "Resource": PROFILE}
        maker(app, "ecr:*", statements=[statement]).put_image(
            repositoryName="aa",
            imageTag="2",
            imageManifest=image.manifest.data.decode(),
            imageManifestMediaType=image.manifest.media_type,
        )
        app.run_jobs()
        assert status("2") == {"signingProfileArn": PROFILE, "status": "COMPLETE"}


def test_public_registries(app: App) -> None:
    """GetAuthorizationToken needs a bearer token of STS's; the registry has an ARN."""

    def public(*actions: str, statements: Any = ()) -> Any:
        maker(app, *actions, statements=statements)
        return app.ecr("AKIAMAKEREXAMPLE0001", secret="maker-secret", service="ecr-public")

    message = denied(public("ecr-public:*").get_authorization_token)
    assert message == refusal("sts:GetServiceBearerToken", "*")
    public("ecr-public:*", "sts:GetServiceBearerToken").get_authorization_token()
    registry = f"arn:aws:ecr-public::{ACCOUNT}:registry/{ACCOUNT}"
    assert denied(public("ecr:*").describe_registries) == refusal(
        "ecr-public:DescribeRegistries", registry
    )
    allowed = {"Effect": "Allow", "Action": "ecr-public:*", "Resource": registry}
    public(statements=[allowed]).describe_registries()

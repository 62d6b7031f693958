"""GetAuthorizationToken, and what its token opens at the OCI door.

Sources: API reference; public issue threads for the door's answers; user guide for tokens being
tied to their region.
"""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.app import ACCOUNT, HOST, REGION, STRANGER, App, OciCaller, password_of
from tests.support.refusals import refusal

CHALLENGE = f'Basic realm="http://{HOST}/",service="ecr.amazonaws.com"'


def seconds(time: datetime) -> datetime:
    return time.replace(microsecond=0)


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def named_host(account: str = ACCOUNT, region: str = REGION, after: str = "localhost:4566") -> str:
    return f"{account}.dkr.ecr.{region}.{after}"


class TestIssue:
    def test_minimal(self, app: App, ecr: Any) -> None:
        (data,) = ecr.get_authorization_token()["authorizationData"]
        assert data.keys() == {"authorizationToken", "expiresAt", "proxyEndpoint"}
        assert data["proxyEndpoint"] == f"http://{HOST}"
        assert data["expiresAt"] == seconds(app.clock.now()) + timedelta(hours=12)
        user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
        assert user == "AWS"
        # As ECR's: base64 of a JSON object with these members.
        envelope = json.loads(base64.b64decode(password))
        assert envelope.keys() == {"payload", "datakey", "version", "type", "expiration"}

    def test_for_several_registries(self, ecr: Any) -> None:
        answer = ecr.get_authorization_token(registryIds=[STRANGER, ACCOUNT, STRANGER])
        data = answer["authorizationData"]
        assert len(data) == 2
        assert len({one["authorizationToken"] for one in data}) == 2

    @pytest.mark.parametrize("ids", [[], [ACCOUNT] * 11, ["1"], ["a" * 12], [ACCOUNT + "\n"]])
    def test_what_the_model_refuses(self, app: App, ids: list[str]) -> None:
        status, answer = app.call("GetAuthorizationToken", {"registryIds": ids})
        assert (status, answer["__type"]) == (400, "InvalidParameterException")
        assert "registryIds" in answer["message"]

    @pytest.mark.parametrize(
        ("template", "host", "expected"),
        [
            ("", "registry.test", "http://registry.test"),
            ("", "[::1]:4566", "http://[::1]:4566"),
            (
                "{account}.dkr.ecr.{region}.localhost:{port}",
                HOST,
                f"http://{ACCOUNT}.dkr.ecr.{REGION}.localhost:4566",
            ),
            ("{host}.nip:{port}", "10.0.0.1:4566", "http://10.0.0.1.nip:4566"),
        ],
    )
    def test_where_the_registry_is(self, app: App, template: str, host: str, expected: str) -> None:
        client = app.another_process(registry_host=template).ecr(host=host)
        (data,) = client.get_authorization_token()["authorizationData"]
        assert data["proxyEndpoint"] == expected
        created = client.create_repository(repositoryName="team/app")["repository"]
        assert created["repositoryUri"] == expected.removeprefix("http://") + "/team/app"


class TestUse:
    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    @pytest.mark.parametrize("path", ["/v2/", "/v2"])
    def test_ping(self, oci: OciCaller, method: str, path: str) -> None:
        response = oci.expect(200, method, path)
        assert response.content_type == "application/json"
        assert response.headers["Content-Length"] == "2"
        assert response.data == (b"{}" if method == "GET" else b"")

    def test_without_credentials(self, app: App) -> None:
        nobody = OciCaller(app, None)
        for method, path in [
            ("GET", "/v2/"),
            ("GET", "/v2/_catalog"),
            ("GET", "/v2/no/such/path"),
            ("PUT", "/v2/team/app/manifests/v1"),
            ("PATCH", "/v2/team/app/blobs/uploads/x"),
            ("BREW", "/v2/"),
        ]:
            response = nobody.expect(401, method, path, b"")
            assert response.headers["WWW-Authenticate"] == CHALLENGE
            assert response.content_type == "text/plain; charset=utf-8"
            assert response.data == b"Not Authorized\n"

    def test_the_challenge_names_the_host_that_was_asked(self, app: App) -> None:
        response = app.request("GET", "/v2/", host=named_host())
        expected = f'Basic realm="http://{named_host()}/",service="ecr.amazonaws.com"'
        assert response.headers["WWW-Authenticate"] == expected
        for host in ('x"y', "x\r\nSet-Cookie: a=b", ""):
            response = app.request("GET", "/v2/", environ={"HTTP_HOST": host})
            assert response.status_code == 401
            challenge = response.headers["WWW-Authenticate"]
            assert "\n" not in challenge
            assert challenge.count('"') == 4

    @pytest.mark.parametrize(
        "header",
        [
            "Basic",
            "Basic ",
            "Basic x",
            "Basic !!!!",
            "Bearer abc",
            "Digest username=x",
            "AWS4-HMAC-SHA256 Credential=x",
            "\xff\xfe",
            "Basic " + "A" * 9000,
            basic("AWS", ""),
            basic("AWS", "password"),
            basic("AWS", "\u00e9"),
            basic("test", "test"),
            basic("AWS", base64.b64encode(b"{}").decode()),
            basic("AWS", base64.b64encode(b'{"payload":"","datakey":""}').decode()),
        ],
    )
    def test_what_is_no_token(self, app: App, header: str) -> None:
        nobody = OciCaller(app, None)
        headers = {"Authorization": header}
        message = nobody.refused(400, "DENIED", "GET", "/v2/", headers=headers)
        assert message == "The authorization token is invalid."

    def test_empty_credentials_are_none(self, app: App) -> None:
        """podman and skopeo send them when asked for credentials that they do not have.

        They print "authentication required" then (public issue threads), as for any 401.
        """
        headers = {"Authorization": basic("", "")}
        response = OciCaller(app, None).expect(401, "GET", "/v2/", headers=headers)
        assert response.headers["WWW-Authenticate"] == CHALLENGE

    def test_another_user_name(self, app: App, oci: OciCaller) -> None:
        password = password_of(app.token())
        for user in ("aws", "Aws", "root", ""):
            headers = {"Authorization": basic(user, password)}
            OciCaller(app, None).refused(400, "DENIED", "GET", "/v2/", headers=headers)
        OciCaller(app, None).expect(
            200, "GET", "/v2/", headers={"Authorization": basic("AWS", password)}
        )

    def test_a_changed_token(self, app: App) -> None:
        password = password_of(app.token())
        nobody = OciCaller(app, None)
        for place in range(0, len(password), 41):
            letter = "B" if password[place] == "A" else "A"
            changed = password[:place] + letter + password[place + 1 :]
            headers = {"Authorization": basic("AWS", changed)}
            nobody.refused(400, "DENIED", "GET", "/v2/", headers=headers)
        for changed in (password[:-4], password + "AAAA", password + "=", " " + password):
            headers = {"Authorization": basic("AWS", changed)}
            nobody.refused(400, "DENIED", "GET", "/v2/", headers=headers)

    def test_of_another_installation(self, app: App, elsewhere: App) -> None:
        OciCaller(app, elsewhere.token()).refused(400, "DENIED", "GET", "/v2/")

    def test_of_another_process(self, app: App) -> None:
        OciCaller(app.another_process(), app.token()).expect(200, "GET", "/v2/")

    def test_it_ends(self, app: App) -> None:
        caller = app.oci()
        caller.expect(200, "GET", "/v2/")
        app.clock.advance(timedelta(hours=12, seconds=-1))
        caller.expect(200, "GET", "/v2/")
        app.clock.advance(timedelta(seconds=1))
        for method, path in [("GET", "/v2/"), ("POST", "/v2/team/app/blobs/uploads/")]:
            message = caller.refused(403, "DENIED", method, path)
            assert message == (
                "Your authorization token has expired. Reauthenticate and try again."
            )
        (data,) = app.ecr().get_authorization_token()["authorizationData"]
        OciCaller(app, data["authorizationToken"]).expect(200, "GET", "/v2/")


class TestRegistries:
    """Which registry is asked: the host says it, or else the token."""

    @pytest.fixture
    def repositories(self, app: App) -> None:
        for account in (ACCOUNT, STRANGER):
            for region in (REGION, "eu-west-1"):
                name = f"of-{account}-{region}"
                app.ecr(account, region).create_repository(repositoryName=name)

    def catalog(self, caller: OciCaller) -> list[str]:
        response = caller.expect(200, "GET", "/v2/_catalog")
        return list(response.get_json()["repositories"])

    @pytest.mark.parametrize("account", [ACCOUNT, STRANGER])
    @pytest.mark.parametrize("region", [REGION, "eu-west-1"])
    def test_by_token_and_by_host(
        self, app: App, repositories: None, account: str, region: str
    ) -> None:
        expected = [f"of-{account}-{region}"]
        for host in (
            HOST,
            "10.1.2.3:5000",
            named_host(account, region),
            named_host(account, region, "amazonaws.com"),
            named_host(account, region, "amazonaws.com.cn:443"),
            named_host(account, region).upper(),
        ):
            assert self.catalog(app.oci(account, region, host)) == expected

    def test_a_token_is_tied_to_its_region(self, app: App) -> None:
        caller = app.oci(host=named_host(region="eu-west-1"))
        message = caller.refused(403, "DENIED", "GET", "/v2/")
        assert message == "The authorization token is not valid in the region eu-west-1."

    @pytest.mark.parametrize("by", ["token", "host"])
    def test_the_registry_of_another_account(self, app: App, repositories: None, by: str) -> None:
        """One may log in to it; what one may do there is a matter of its policies."""
        caller = app.oci(registry=STRANGER) if by == "token" else app.oci(host=named_host(STRANGER))
        caller.expect(200, "GET", "/v2/")
        name = f"of-{STRANGER}-{REGION}"
        for action, method, path in [
            ("ecr:DescribeRepositories", "GET", "/v2/_catalog"),
            ("ecr:ListImages", "GET", f"/v2/{name}/tags/list"),
            ("ecr:BatchGetImage", "GET", f"/v2/{name}/manifests/v1"),
            ("ecr:PutImage", "PUT", f"/v2/{name}/manifests/v1"),
            ("ecr:BatchDeleteImage", "DELETE", f"/v2/{name}/manifests/v1"),
            ("ecr:InitiateLayerUpload", "POST", f"/v2/{name}/blobs/uploads/"),
        ]:
            message = caller.refused(403, "DENIED", method, path)
            assert message.startswith(
                f"User: arn:aws:iam::{ACCOUNT}:root is not authorized to perform: {action} on "
                "resource: "
            )
        # Nothing of it is told, not even whether there is such a repository.
        assert caller.request("GET", "/v2/missing/tags/list").status_code == 403
        head = caller.expect(403, "HEAD", f"/v2/{name}/manifests/v1")
        assert head.data == b""

    def test_both_doors_keep_two_accounts_apart(self, app: App) -> None:
        for account in (ACCOUNT, STRANGER):
            app.ecr(account).create_repository(repositoryName="same")
        digest = app.oci().push_blob("same", b"secret")
        theirs = app.oci(STRANGER)
        theirs.expect(404, "GET", f"/v2/same/blobs/{digest}")
        code, _ = refusal(
            app.ecr(STRANGER).get_download_url_for_layer,
            repositoryName="same",
            layerDigest=digest,
        )
        assert code == "LayersNotFoundException"


class TestPermissive:
    """``--auth permissive``, for suites that invent their credentials."""

    @pytest.fixture
    def permissive(self, app: App) -> App:
        return app.another_process(auth="permissive")

    def test_any_signature(self, permissive: App) -> None:
        client = permissive.ecr(ACCOUNT, secret="wrong")
        client.create_repository(repositoryName="team/app")
        client = permissive.ecr("AKIAWHATEVER", secret="anything")
        created = client.create_repository(repositoryName="team/app")["repository"]
        assert created["registryId"] == "000000000000"

    def test_any_password(self, permissive: App) -> None:
        permissive.ecr("000000000000").create_repository(repositoryName="theirs")
        permissive.ecr().create_repository(repositoryName="mine")
        for header, host, expected in [
            (basic("AWS", "x"), HOST, ["theirs"]),
            (basic("someone", "x"), HOST, ["theirs"]),
            ("Bearer x", HOST, ["theirs"]),
            (basic("AWS", "x"), named_host(), ["mine"]),
            (f"Basic {permissive.token()}", HOST, ["mine"]),
        ]:
            response = permissive.request(
                "GET", "/v2/_catalog", headers={"Authorization": header}, host=host
            )
            assert response.get_json()["repositories"] == expected

    def test_a_token_that_has_expired(self, app: App, permissive: App) -> None:
        """It stands for who got it, as a key that has expired does."""
        permissive.ecr().create_repository(repositoryName="mine")
        token = permissive.token()
        app.clock.advance(timedelta(hours=13))
        headers = {"Authorization": f"Basic {token}"}
        response = permissive.request("GET", "/v2/_catalog", headers=headers)
        assert response.get_json()["repositories"] == ["mine"]
        assert app.request("GET", "/v2/_catalog", headers=headers).status_code == 403

    def test_no_credentials_are_still_challenged(self, permissive: App) -> None:
        """Docker sends none before it is."""
        assert permissive.request("GET", "/v2/").status_code == 401

"""The way in to the public registries' own host: its challenge and its bearer tokens.

Sources: public issue threads for the answers of public.ecr.aws (challenge, ``/token/``, 400 for
tokens that are no good, Basic among them; an anonymous token's hour).
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.app import HOST, App, OciCaller
from tests.support.images import make_image
from tests.support.public import CHALLENGE, PUBLIC_HOST, BearerCaller, anonymous, public_token


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v2/"),
        ("HEAD", "/v2/"),
        ("GET", "/v2"),
        ("GET", "/v2/some/app/manifests/v1"),
        ("POST", "/v2/some/app/blobs/uploads/"),
        ("GET", "/v2/nonsense"),
    ],
)
def test_without_a_token_the_answer_says_where_to_get_one(app: App, method: str, path: str) -> None:
    answer = OciCaller(app, None, PUBLIC_HOST).expect(401, method, path)
    assert answer.headers["WWW-Authenticate"] == CHALLENGE
    if method != "HEAD":
        assert answer.data == b"Not Authorized\n"


@pytest.mark.parametrize("host", ["public.ecr.aws", "PUBLIC.ECR.AWS", "public.ecr.test:80"])
def test_hosts_of_the_public_registries(app: App, host: str) -> None:
    answer = app.request(
        "GET", "/v2/", host=host, environ={"wsgi.url_scheme": "https", "HTTP_HOST": host}
    )
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == (
        f'Bearer realm="https://{host}/token/",service="{host}",scope="aws"'
    )


def test_the_host_of_the_setting(app: App) -> None:
    other = app.another_process(public_registry_host="Images.test:4566")
    answer = other.request("GET", "/v2/", host="images.test:4566")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    answer = other.request("GET", "/v2/", host="images.test:4567")
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")


def test_a_host_that_is_none_is_not_in_the_challenge(app: App) -> None:
    host = 'public.ecr.test",x="'
    answer = app.request("GET", "/v2/", environ={"HTTP_HOST": host})
    assert answer.headers["WWW-Authenticate"] == (
        'Bearer realm="http://localhost:4566/token/",service="localhost:4566",scope="aws"'
    )


@pytest.mark.parametrize(
    "path", ["/token/", "/token", f"/token/?service={PUBLIC_HOST}&scope=aws&account=AWS"]
)
def test_anyone_gets_a_token(app: App, path: str) -> None:
    answer = OciCaller(app, None, PUBLIC_HOST).expect(200, "GET", path)
    assert answer.mimetype == "application/json"
    assert answer.get_json().keys() == {"token"}
    BearerCaller(app, answer.get_json()["token"]).expect(200, "GET", "/v2/")


def test_an_anonymous_token_lasts_an_hour(app: App) -> None:
    caller = anonymous(app)
    app.clock.advance(timedelta(minutes=59))
    caller.expect(200, "GET", "/v2/")
    app.clock.advance(timedelta(minutes=1))
    assert caller.refused(400, "DENIED", "GET", "/v2/") == "Your Authorization Token is invalid."


def test_credentials_get_a_token_of_their_own(app: App) -> None:
    client = app.ecr(service="ecr-public")
    created = client.create_repository(repositoryName="team/app")
    path = created["repository"]["repositoryUri"].partition("/public.ecr.aws/")[2]
    answer = OciCaller(app, public_token(app), PUBLIC_HOST).expect(200, "GET", "/token/?scope=aws")
    caller = BearerCaller(app, answer.get_json()["token"])
    caller.push(path, make_image(), "v1")


@pytest.mark.parametrize("kind", ["private", "expired", "garbage", "user", "no basic"])
def test_credentials_that_get_no_token(app: App, kind: str) -> None:
    token = app.token() if kind == "private" else public_token(app)
    authorization = f"Basic {token}"
    if kind == "expired":
        app.clock.advance(timedelta(hours=12))
    elif kind == "garbage":
        authorization = "Basic QVdTOng="
    elif kind == "user":
        authorization = "Basic dXNlcjp4"
    elif kind == "no basic":
        authorization = f"Bearer {token}"
    caller = OciCaller(app, None, PUBLIC_HOST)
    headers = {"Authorization": authorization}
    message = caller.refused(400, "DENIED", "GET", "/token/", headers=headers)
    assert message == "Not Authorized"


def test_tokens_are_got_and_not_posted(app: App) -> None:
    # Clients that try OAuth's POST first go on with GET after a 405.
    OciCaller(app, None, PUBLIC_HOST).refused(405, "UNSUPPORTED", "POST", "/token/")


@pytest.mark.parametrize("kind", ["private", "expired", "garbage", "empty", "basic", "None"])
def test_tokens_that_are_no_good(app: App, kind: str) -> None:
    token = app.token() if kind == "private" else public_token(app)
    authorization = f"Bearer {token}"
    if kind == "expired":
        app.clock.advance(timedelta(hours=12))
    elif kind == "garbage":
        authorization = f"Bearer {token[:-4]}AAAA"
    elif kind == "empty":
        authorization = "Bearer "
    elif kind == "basic":
        # At the host itself, Basic is no way in.
        authorization = f"Basic {token}"
    elif kind == "None":
        authorization = "Bearer None"
    caller = OciCaller(app, None, PUBLIC_HOST)
    headers = {"Authorization": authorization}
    answer = caller.expect(400, "GET", "/v2/", headers=headers)
    assert answer.get_json() == {
        "errors": [{"code": "DENIED", "message": "Your Authorization Token is invalid."}]
    }
    assert "WWW-Authenticate" not in answer.headers


def test_there_are_no_bearer_tokens_elsewhere(app: App) -> None:
    answer = OciCaller(app, None, HOST).expect(401, "GET", "/token/")
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    app.oci().refused(404, "UNSUPPORTED", "GET", "/token/")

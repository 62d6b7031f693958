"""GetAuthorizationToken: one object, good for twelve hours, and a bearer token as it stands.

Sources: API reference; public issue threads (a token of ECR Public works as ``Authorization:
Bearer``, and Basic does not).
"""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

from tests.aws.ecr_public.answers import members
from tests.support.app import App


def test_a_token(app: App, public: Any) -> None:
    answer = members(public.get_authorization_token())
    data = answer.pop("authorizationData")
    assert answer == {}
    assert data.keys() == {"authorizationToken", "expiresAt"}
    lasts = data["expiresAt"] - app.clock.now()
    assert timedelta(hours=12) - timedelta(seconds=1) <= lasts <= timedelta(hours=12)
    user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    assert user == "AWS"
    assert password


def test_what_it_opens(app: App, public: Any) -> None:
    token = public.get_authorization_token()["authorizationData"]["authorizationToken"]
    host = "public.ecr.localhost:4566"
    bearer = {"Authorization": f"Bearer {token}"}
    assert app.request("GET", "/v2/", headers=bearer, host=host).status_code == 200
    app.clock.advance(timedelta(hours=12))
    assert app.request("GET", "/v2/", headers=bearer, host=host).status_code == 400

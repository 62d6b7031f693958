"""Callers at the host of the public registries."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any

from werkzeug.test import TestResponse

from tests.support.app import ACCOUNT, App, OciCaller
from tests.support.images import Image

PUBLIC_HOST = "public.ecr.localhost:4566"
CHALLENGE = f'Bearer realm="http://{PUBLIC_HOST}/token/",service="{PUBLIC_HOST}",scope="aws"'


class BearerCaller(OciCaller):
    """Someone with a bearer token at the public registries' own host."""

    def __init__(self, app: App, token: str, host: str = PUBLIC_HOST) -> None:
        super().__init__(app, None, host)
        self.bearer = token

    def request(
        self,
        method: str,
        path: str,
        body: bytes | BytesIO = b"",
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> TestResponse:
        sent = {"Authorization": f"Bearer {self.bearer}", **(headers or {})}
        return super().request(method, path, body, sent, **options)


def public_token(app: App, account: str = ACCOUNT) -> str:
    """Return an authorization token of ECR Public (``AWS:<password>`` in base64)."""
    client = app.ecr(account, service="ecr-public")
    return str(client.get_authorization_token()["authorizationData"]["authorizationToken"])


def push_layers(client: Any, name: str, image: Image) -> None:
    """Upload an image's blobs by the layer operations of a boto3 client of ECR Public."""
    for blob in image.blobs:
        upload = client.initiate_layer_upload(repositoryName=name)["uploadId"]
        client.upload_layer_part(
            repositoryName=name,
            uploadId=upload,
            partFirstByte=0,
            partLastByte=len(blob.data) - 1,
            layerPartBlob=blob.data,
        )
        client.complete_layer_upload(
            repositoryName=name, uploadId=upload, layerDigests=[blob.digest]
        )


def anonymous(app: App) -> BearerCaller:
    """Return someone with the token that anyone gets."""
    answer = OciCaller(app, None, PUBLIC_HOST).expect(200, "GET", "/token/?scope=aws")
    return BearerCaller(app, answer.get_json()["token"])

"""Someone with an AWS access key: their boto3 clients, their aws command, their registry token."""

from __future__ import annotations

import base64
import json
import os
import random
import subprocess
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from tests.support.images import Image, sha256
from tests.support.oci_client import OciClient

TIMEOUT_SECONDS = 60


class AwsError(Exception):
    """An aws command that failed. Its text is what the command printed.

    :ivar status: its exit status.
    """

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


def any_account() -> str:
    """Return an account that no other test uses. Any twelve digits are a key, secret ``test``."""
    return f"{random.SystemRandom().randrange(10**11, 10**12)}"


class Caller:
    """A user of one account in one region.

    :param url: the server's address.
    :param folder: for the aws command's configuration, which stays empty.
    :param account: one of their own when left out; or an access key id of which *secret* is the
        secret, and *session_token* the session token.
    :param authority: the certificate of who signed the server's, for an https URL.
    """

    def __init__(
        self,
        url: str,
        folder: Path,
        account: str | None = None,
        region: str = "us-east-1",
        secret: str = "test",
        authority: Path | None = None,
        session_token: str | None = None,
    ) -> None:
        self.url = url
        self.registry = url.partition("://")[2]
        self.account = account or any_account()
        self.region = region
        self._secret = secret
        self._session_token = session_token
        self._authority = None if authority is None else str(authority)
        self._folder = folder
        self.ecr = self.client("ecr")

    def client(self, service: str) -> Any:
        """Return a boto3 client that tries each request once."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=self.region,
            aws_access_key_id=self.account,
            aws_secret_access_key=self._secret,
            aws_session_token=self._session_token,
            verify=self._authority,
            config=Config(retries={"total_max_attempts": 1}),
        )

    def aws(self, *args: str) -> str:
        """Run ``aws ARGS --endpoint-url URL`` and return its standard output.

        :raises AwsError: if it fails.
        """
        environ = {name: value for name, value in os.environ.items() if name[:4] != "AWS_"}
        environ |= {
            "AWS_ACCESS_KEY_ID": self.account,
            "AWS_SECRET_ACCESS_KEY": self._secret,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_CONFIG_FILE": str(self._folder / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(self._folder / "credentials"),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_PAGER": "",
        }
        if self._session_token is not None:
            environ["AWS_SESSION_TOKEN"] = self._session_token
        if self._authority is not None:
            environ["AWS_CA_BUNDLE"] = self._authority
        done = subprocess.run(
            ["aws", *args, "--endpoint-url", self.url],
            env=environ,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )
        if done.returncode != 0:
            raise AwsError(done.stderr.strip(), done.returncode)
        return done.stdout

    def aws_json(self, *args: str) -> Any:
        """Run an aws command and return what it answered, parsed."""
        return json.loads(self.aws(*args, "--output", "json"))

    def password(self) -> str:
        """Return a registry token, as ``aws ecr get-login-password`` prints it."""
        (data,) = self.ecr.get_authorization_token()["authorizationData"]
        user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
        assert user == "AWS"
        return password

    def oci(self, host: str | None = None, url: str | None = None) -> OciClient:
        """Return a raw client of the registry with a token of this caller."""
        return OciClient(url or self.url, self.password(), host)

    def create_repository(self, name: str, **options: Any) -> str:
        """Create a repository and return its address as ECR gives it."""
        answer = self.ecr.create_repository(repositoryName=name, **options)
        return str(answer["repository"]["repositoryUri"])

    def upload_layer(self, repository: str, data: bytes, part_size: int = 10 * 1024**2) -> str:
        """Upload a layer by the layer operations and return its digest."""
        upload = self.ecr.initiate_layer_upload(repositoryName=repository)["uploadId"]
        for first in range(0, len(data), part_size):
            part = data[first : first + part_size]
            answer = self.ecr.upload_layer_part(
                repositoryName=repository,
                uploadId=upload,
                partFirstByte=first,
                partLastByte=first + len(part) - 1,
                layerPartBlob=part,
            )
            assert answer["lastByteReceived"] == first + len(part) - 1
        answer = self.ecr.complete_layer_upload(
            repositoryName=repository, uploadId=upload, layerDigests=[sha256(data)]
        )
        return str(answer["layerDigest"])

    def put_image(self, repository: str, image: Image, tag: str) -> str:
        """Store an image by the layer operations and PutImage, and return its digest."""
        for blob in image.blobs:
            self.upload_layer(repository, blob.data)
        answer = self.ecr.put_image(
            repositoryName=repository,
            imageManifest=image.manifest.data.decode(),
            imageManifestMediaType=image.manifest.media_type,
            imageTag=tag,
        )
        return str(answer["image"]["imageId"]["imageDigest"])

    def describe_image(self, repository: str, **image_id: str) -> dict[str, Any]:
        """Return DescribeImages' details of the one image by ``imageTag`` or ``imageDigest``."""
        answer = self.ecr.describe_images(repositoryName=repository, imageIds=[image_id])
        (details,) = answer["imageDetails"]
        return dict(details)

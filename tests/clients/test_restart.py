"""What was acknowledged is there after the server has ended, whether it was asked to or killed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.clients.caller import Caller
from tests.conftest import MakeServer
from tests.support.docker import Docker
from tests.support.images import make_image, make_index, sha256
from tests.support.oci_client import OciClient


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_everything_is_still_there(make_server: MakeServer, tmp_path: Path, end: str) -> None:
    data = tmp_path / "data"
    server = make_server(data_dir=data)
    caller = Caller(server.url, tmp_path)
    caller.create_repository(
        "kept", imageTagMutability="IMMUTABLE", tags=[{"Key": "k", "Value": "v"}]
    )
    oci = caller.oci()
    index = make_index([make_image(architecture=name) for name in ("amd64", "arm64")])
    oci.push("kept", index, "all")
    for architecture, image in zip(("amd64", "arm64"), index.images, strict=True):
        oci.put_manifest("kept", architecture, image.manifest)
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage"}],
    }
    caller.ecr.set_repository_policy(repositoryName="kept", policyText=json.dumps(policy))
    caller.ecr.put_account_setting(name="BLOB_MOUNTING", value="ENABLED")
    token = caller.password()

    def view(who: Caller) -> list[object]:
        """All that the API says of the registry, without what depends on the address."""
        arn = f"arn:aws:ecr:us-east-1:{who.account}:repository/kept"
        repositories = who.ecr.describe_repositories()["repositories"]
        details = who.ecr.describe_images(repositoryName="kept")["imageDetails"]
        images = sorted(details, key=lambda image: image["imageDigest"])
        return [
            [{**repository, "repositoryUri": ""} for repository in repositories],
            [
                {**image, "imageTags": sorted(image["imageTags"]), "lastRecordedPullTime": None}
                for image in images
            ],
            who.ecr.list_tags_for_resource(resourceArn=arn)["tags"],
            json.loads(who.ecr.get_repository_policy(repositoryName="kept")["policyText"]),
            who.ecr.get_account_setting(name="BLOB_MOUNTING")["value"],
        ]

    before = view(caller)
    assert len(before[1]) == 3  # type: ignore[arg-type]
    content = oci.pull("kept", "all")

    # Two uploads half done, by either door.
    layer = os.urandom(6 * 1024**2 + 1000)
    half = 6 * 1024**2
    location = oci.upload_chunk(oci.start_upload("kept"), layer[:half], 0)
    upload = caller.ecr.initiate_layer_upload(repositoryName="kept")["uploadId"]
    parts = os.urandom(6 * 1024**2 + 500)
    caller.ecr.upload_layer_part(
        repositoryName="kept",
        uploadId=upload,
        partFirstByte=0,
        partLastByte=half - 1,
        layerPartBlob=parts[:half],
    )

    server.stop() if end == "stop" else server.kill()
    server = make_server(data_dir=data)
    again = Caller(server.url, tmp_path, account=caller.account)
    assert view(again) == before
    # The token that was handed out before is as good as a new one.
    for client in (again.oci(), OciClient(server.url, token)):
        assert client.pull("kept", "all") == content
    oci = again.oci()
    assert sorted(oci.tags("kept")) == ["all", "amd64", "arm64"]

    assert oci.upload_offset(location) == half
    location = oci.upload_chunk(location, layer[half:], half)
    oci.finish_upload(location, sha256(layer))
    assert oci.get_blob("kept", sha256(layer)) == layer
    again.ecr.upload_layer_part(
        repositoryName="kept",
        uploadId=upload,
        partFirstByte=half,
        partLastByte=len(parts) - 1,
        layerPartBlob=parts[half:],
    )
    again.ecr.complete_layer_upload(
        repositoryName="kept", uploadId=upload, layerDigests=[sha256(parts)]
    )
    assert oci.get_blob("kept", sha256(parts)) == parts


def test_docker_goes_on_after_a_restart(
    make_server: MakeServer, docker: Docker, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    server = make_server(data_dir=data)
    caller = Caller(server.url, tmp_path)
    uri = caller.create_repository("app")
    docker.login(caller.registry, caller.password())
    image_id = docker.build(f"{uri}:1")
    docker.push(f"{uri}:1")

    port = server.port
    server.stop()
    make_server(data_dir=data, port=port)
    docker.tag(f"{uri}:1", f"{uri}:2")
    assert docker.push(f"{uri}:2").count(": Layer already exists") == 3
    docker.remove(f"{uri}:1", f"{uri}:2")
    docker.pull(f"{uri}:1")
    assert docker.image_id(f"{uri}:1") == image_id

"""Other services beside ECR, at a server with several workers and real clients."""

from __future__ import annotations

import http.client
import io
import json
import os
import signal
import socket
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.clients.caller import Caller
from tests.clients.conftest import aws_command, docker, docker_host, skopeo_command
from tests.clients.skopeo import Skopeo, SkopeoError, oci_layout
from tests.companions.conftest import HUB
from tests.companions.test_iam import FULL, POWER, READ, trust
from tests.companions.test_in_process import KEYS
from tests.support.docker import Docker, DockerError
from tests.support.fake_upstream import FakeUpstream
from tests.support.images import make_image, write_layout
from tests.support.server import ServerProcess

__all__ = ["aws_command", "docker", "docker_host", "skopeo_command"]

SECONDS = 30


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, upstream: FakeUpstream
) -> Iterator[ServerProcess]:
    """A server with companions; use an account of your own."""
    started = ServerProcess(
        tmp_path_factory.mktemp("server") / "data",
        companions="on",
        upstreams=f"{HUB}={upstream.url}",
    )
    yield started
    assert started.stop() == 0
    assert "Traceback" not in started.log


@pytest.fixture
def caller(server: ServerProcess, tmp_path: Path) -> Caller:
    return Caller(server.url, tmp_path / "aws")


def make_user(caller: Caller, server: ServerProcess, policy: str = "") -> tuple[Caller, str]:
    """Make a user with an access key, and return them and their key's id."""
    iam = caller.client("iam")
    iam.create_user(UserName="joe")
    if policy:
        iam.attach_user_policy(UserName="joe", PolicyArn=policy)
    key = iam.create_access_key(UserName="joe")["AccessKey"]
    secret = key["SecretAccessKey"]
    user = Caller(server.url, caller._folder, key["AccessKeyId"], secret=secret)
    return user, key["AccessKeyId"]


def companion_of(server: ServerProcess) -> int:
    """Return the process id of the companion process: it alone waits at its socket."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    (found,) = [pid for pid in children if _role(int(pid)) == "helper"]
    return int(found)


def _role(pid: int) -> str:
    """Tell the companion process from the workers, which have Granian's threads."""
    names = {path.read_text().strip() for path in Path(f"/proc/{pid}/task").glob("*/comm")}
    return "worker" if any("granian" in name or "tokio" in name for name in names) else "helper"


def wait_for(what: Any) -> Any:
    until = time.monotonic() + SECONDS
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.05)


def test_odd_keys(caller: Caller) -> None:
    s3 = caller.client("s3")
    bucket = f"bucket-{caller.account}"
    s3.create_bucket(Bucket=bucket)
    for key in KEYS:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode(), Metadata={"my_key-a": "1"})
    assert {found["Key"] for found in s3.list_objects_v2(Bucket=bucket)["Contents"]} == set(KEYS)
    for key in KEYS:
        found = s3.get_object(Bucket=bucket, Key=key)
        assert (found["Body"].read(), found["Metadata"]) == (key.encode(), {"my_key-a": "1"})
        url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key})
        with urllib.request.urlopen(url) as answer:
            assert answer.read() == key.encode()
    assert s3.head_object(Bucket=bucket, Key="a/b c")["ContentLength"] == 5


def test_large_objects(caller: Caller) -> None:
    s3 = caller.client("s3")
    bucket = f"bucket-{caller.account}"
    s3.create_bucket(Bucket=bucket)
    data = os.urandom(20_000_000)
    s3.upload_fileobj(io.BytesIO(data), bucket, "parts")
    s3.put_object(Bucket=bucket, Key="one", Body=data)
    for key in ("parts", "one"):
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == data
    half = s3.get_object(Bucket=bucket, Key="one", Range="bytes=5-9")
    assert half["Body"].read() == data[5:10]


def test_one_state_for_all_workers(caller: Caller) -> None:
    sqs = caller.client("sqs")
    url = sqs.create_queue(QueueName="jobs")["QueueUrl"]
    assert url == f"{caller.url}/{caller.account}/jobs"

    def send(number: int) -> None:
        caller.client("sqs").send_message(QueueUrl=url, MessageBody=str(number))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, range(40)))
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes["ApproximateNumberOfMessages"] == "40"


def test_a_user_counts_at_once_in_every_worker(caller: Caller, server: ServerProcess) -> None:
    user, key_id = make_user(caller, server)
    iam = caller.client("iam")

    def outcomes() -> set[str]:
        """Ask over many connections, so that every worker is asked."""

        def ask(_: int) -> str:
            try:
                user.client("ecr").describe_repositories()
            except ClientError as error:
                return str(error.response["Error"]["Code"])
            return "allowed"

        with ThreadPoolExecutor(4) as pool:
            return set(pool.map(ask, range(8)))

    assert outcomes() == {"AccessDeniedException"}
    iam.attach_user_policy(UserName="joe", PolicyArn=FULL)
    assert outcomes() == {"allowed"}
    iam.detach_user_policy(UserName="joe", PolicyArn=FULL)
    assert outcomes() == {"AccessDeniedException"}
    iam.update_access_key(UserName="joe", AccessKeyId=key_id, Status="Inactive")
    assert outcomes() == {"UnrecognizedClientException"}


def test_a_role(caller: Caller, server: ServerProcess, tmp_path: Path) -> None:
    user, _ = make_user(caller, server)
    iam = caller.client("iam")
    who = f"arn:aws:iam::{caller.account}:user/joe"
    iam.create_role(RoleName="reader", AssumeRolePolicyDocument=trust(who))
    iam.attach_role_policy(RoleName="reader", PolicyArn=READ)
    role = f"arn:aws:iam::{caller.account}:role/reader"
    keys = user.client("sts").assume_role(RoleArn=role, RoleSessionName="run")["Credentials"]
    session = Caller(
        server.url,
        tmp_path / "aws",
        keys["AccessKeyId"],
        secret=keys["SecretAccessKey"],
        session_token=keys["SessionToken"],
    )
    session.ecr.describe_repositories()
    with pytest.raises(ClientError, match="assumed-role/reader/run is not authorized"):
        session.ecr.create_repository(repositoryName="app")


def test_skopeo(
    caller: Caller, server: ServerProcess, tmp_path: Path, skopeo_command: None
) -> None:
    user, _ = make_user(caller, server, POWER)
    caller.create_repository("app")
    write_layout(tmp_path / "layout", make_image(), "v1")
    destination = f"docker://{server.host}:{server.port}/app:v1"
    skopeo = Skopeo(user.password())
    skopeo.copy(oci_layout(tmp_path / "layout", "v1"), destination)
    iam = caller.client("iam")
    iam.detach_user_policy(UserName="joe", PolicyArn=POWER)
    iam.attach_user_policy(UserName="joe", PolicyArn=READ)
    write_layout(tmp_path / "other", make_image(), "v1")
    with pytest.raises(SkopeoError, match="is not authorized to perform"):
        skopeo.copy(oci_layout(tmp_path / "other", "v1"), destination)
    skopeo.copy(destination, oci_layout(tmp_path / "pulled", "v1"))


def test_docker(caller: Caller, server: ServerProcess, docker: Docker) -> None:
    user, _ = make_user(caller, server, READ)
    reference = f"{caller.create_repository('app')}:v1"
    docker.login(user.registry, user.password())
    image_id = docker.build(reference)
    with pytest.raises(DockerError) as refused:
        docker.push(reference)
    assert "because no identity-based policy allows the ecr:InitiateLayerUpload" in str(
        refused.value
    )
    caller.client("iam").attach_user_policy(UserName="joe", PolicyArn=POWER)
    docker.push(reference)
    docker.remove(reference)
    docker.pull(reference)
    assert docker.image_id(reference) == image_id


def test_the_aws_command(caller: Caller, tmp_path: Path, aws_command: None) -> None:
    bucket = f"s3://bucket-{caller.account}"
    data = os.urandom(10_000_000)
    (tmp_path / "there").write_bytes(data)
    caller.aws("s3", "mb", bucket)
    caller.aws("s3", "cp", str(tmp_path / "there"), f"{bucket}/a b/c+d")
    caller.aws("s3", "cp", f"{bucket}/a b/c+d", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == data
    caller.aws("iam", "create-user", "--user-name", "joe")
    assert "arn:aws:iam" in caller.aws("iam", "list-users")


def test_https(tmp_path: Path) -> None:
    """moto names the addresses of queues as they were reached."""
    server = ServerProcess(tmp_path / "data", companions="on", tls=True)
    try:
        caller = Caller(server.url, tmp_path / "aws", authority=server.authority)
        url = caller.client("sqs").create_queue(QueueName="jobs")["QueueUrl"]
        assert url == f"{server.url}/{caller.account}/jobs"
        assert url.startswith("https://")
    finally:
        assert server.stop() == 0


def test_pull_through_with_a_secret(caller: Caller, upstream: FakeUpstream) -> None:
    image = make_image()
    upstream.add("team/app", image, "1")
    upstream.login, upstream.wants_token = ("me", "s3cret"), True
    manager = caller.client("secretsmanager")
    text = {"username": "me", "accessToken": "wrong"}
    arn = manager.create_secret(Name="ecr-pullthroughcache/hub", SecretString=json.dumps(text))[
        "ARN"
    ]
    caller.ecr.create_pull_through_cache_rule(
        ecrRepositoryPrefix="hub", upstreamRegistryUrl=HUB, credentialArn=arn
    )
    validate = caller.ecr.validate_pull_through_cache_rule
    assert validate(ecrRepositoryPrefix="hub")["isValid"] is False
    manager.put_secret_value(
        SecretId=arn, SecretString=json.dumps({**text, "accessToken": "s3cret"})
    )
    assert validate(ecrRepositoryPrefix="hub")["isValid"] is True
    images = caller.ecr.batch_get_image(
        repositoryName="hub/team/app", imageIds=[{"imageTag": "1"}]
    )["images"]
    assert [found["imageId"]["imageDigest"] for found in images] == [image.manifest.digest]


def test_a_push_is_told_to_a_queue(caller: Caller) -> None:
    sqs, events = caller.client("sqs"), caller.client("events")
    url = sqs.create_queue(QueueName="pushes")["QueueUrl"]
    pattern = {"source": ["aws.ecr"], "detail-type": ["ECR Image Action"]}
    events.put_rule(Name="pushes", EventPattern=json.dumps(pattern))
    target = f"arn:aws:sqs:us-east-1:{caller.account}:pushes"
    events.put_targets(Rule="pushes", Targets=[{"Id": "queue", "Arn": target}])
    caller.create_repository("app")
    image = make_image()
    caller.oci().push("app", image, "v1")
    found = wait_for(lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages"))
    event = json.loads(found[0]["Body"])
    assert event["detail"]["image-digest"] == image.manifest.digest
    assert event["detail"]["image-tag"] == "v1"
    assert (event["source"], event["account"]) == ("aws.ecr", caller.account)


def test_nothing_listens_on_the_network(server: ServerProcess, caller: Caller) -> None:
    """And at the process's socket only the workers are answered."""
    caller.client("sqs").list_queues()
    pid = companion_of(server)
    links = [os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir() if path.is_symlink()]
    inodes = {link[8:-1] for link in links if link.startswith("socket:[")}
    for table in ("tcp", "tcp6", "udp", "udp6"):
        lines = Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
        own = [line for line in lines if line.split()[9] in inodes]
        assert own == []
    unix = Path(f"/proc/{pid}/net/unix").read_text().splitlines()[1:]
    (path,) = {
        line.split()[7] for line in unix if len(line.split()) > 7 and line.split()[6] in inodes
    }
    assert Path(path).parent.stat().st_mode & 0o777 == 0o700
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.connect(path)
        stranger.sendall(
            b"POST / HTTP/1.1\r\nHost: x\r\nX-Ecr-Emulator-Question: reset\r\n"
            b"Content-Length: 2\r\nConnection: close\r\n\r\n{}"
        )
        assert stranger.recv(100).startswith(b"HTTP/1.1 403 ")


def test_targets_of_events_here_reset_and_kills(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # A queue may be named by its address, too. The server tells it as test/test would.
    url = f"http://127.0.0.1:{port}/000000000000/told"
    server = ServerProcess(tmp_path / "data", port, companions="on", event_targets=f"sqs:{url}")
    owner = Caller(server.url, tmp_path / "aws", "test")
    queue = owner.client("sqs")
    assert queue.create_queue(QueueName="told")["QueueUrl"] == url
    owner.create_repository("told")
    owner.oci().push("told", make_image(), "v1")
    wait_for(lambda: queue.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages"))

    caller = Caller(server.url, tmp_path / "aws")
    sqs = caller.client("sqs")
    sqs.create_queue(QueueName="jobs")
    user, _ = make_user(caller, server, FULL)
    user.ecr.describe_repositories()
    connection = http.client.HTTPConnection(server.host, server.port)
    connection.request("POST", "/_emulator/reset")
    assert connection.getresponse().status == 200
    assert "QueueUrls" not in sqs.list_queues()
    with pytest.raises(ClientError, match="UnrecognizedClientException"):
        user.ecr.describe_repositories()

    # Killed, it comes back with nothing in it, and the server goes on meanwhile.
    sqs.create_queue(QueueName="jobs")
    caller.create_repository("app")
    for number in (1, 2):
        pid = companion_of(server)
        os.kill(pid, signal.SIGKILL)
        assert len(caller.ecr.describe_repositories()["repositories"]) == 1
        wait_for(lambda: "QueueUrls" not in caller.client("sqs").list_queues())
        assert companion_of(server) != pid
        sqs.create_queue(QueueName="jobs")
        assert server.log.count("the companion process was killed by SIGKILL") == number

    last = companion_of(server)
    assert server.stop() == 0
    with pytest.raises(ProcessLookupError):
        os.kill(last, 0)

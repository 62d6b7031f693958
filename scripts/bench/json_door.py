"""The JSON door beside moto_server and ministack: raw HTTP with eight clients, boto3 with one.

Both keep their state in memory and verify no signature; ours commits to SQLite and verifies each.
Requests are signed beforehand, so that the raw figures hold the servers' costs alone.
"""

from __future__ import annotations

import contextlib
import json
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import servers
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from load import Prepared, rate, sync_rate
from results import Table, figure, in_turn

from tests.support.images import Image, make_image
from tests.support.server import ServerProcess

REGION, KEY, SECRET = "us-east-1", "123456789012", "test"
TARGET = "AmazonEC2ContainerRegistry_V20150921"
CLIENTS = 8
#: Images of the repository that is described whole.
MANY = 1000
#: Calls an operation, by name, with its input; returns its output.
Call = Callable[[str, dict[str, Any]], dict[str, Any]]
#: Requests that each change something, made ready for a second of one measurement: more than
#: anybody takes, as the first would come again then.
SUPPLY = 5000


@dataclass(frozen=True)
class Case:
    """An operation, and the input of its next call.

    :ivar write: whether it changes something.
    :ivar input: gets a number that no other call has.
    """

    operation: str
    write: bool
    input: Callable[[int], dict[str, Any]]
    name: str = ""


IMAGE = make_image(layers=1, size=100)
CASES = [
    Case("GetAuthorizationToken", False, lambda _: {}),
    Case("DescribeRepositories", False, lambda _: {"repositoryNames": ["bench"]}),
    Case("DescribeImages", False, lambda _: {"repositoryName": "bench"}),
    Case("ListImages", False, lambda _: {"repositoryName": "bench"}),
    Case(
        "BatchGetImage",
        False,
        lambda _: {"repositoryName": "bench", "imageIds": [{"imageTag": "v1"}]},
    ),
    Case("GetRepositoryPolicy", False, lambda _: {"repositoryName": "bench"}),
    Case("CreateRepository", True, lambda n: {"repositoryName": f"made/{n}"}),
    Case(
        "PutImage",
        True,
        lambda n: {
            "repositoryName": "bench",
            "imageManifest": _manifest(n),
            "imageTag": f"put-{n % 50}",
        },
    ),
    Case("SetRepositoryPolicy", True, lambda n: {"repositoryName": "bench", "policyText": POLICY}),
]
MANY_CASE = Case(
    "DescribeImages",
    False,
    lambda _: {"repositoryName": "many", "maxResults": MANY},
    f"DescribeImages, {MANY} images",
)
POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "pull",
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{KEY}:root"},
                "Action": ["ecr:BatchGetImage"],
            }
        ],
    }
)


def run(folder: Path, seconds: float, rounds: int) -> list[str]:
    """Print the tables of the JSON door; return what missed its target."""
    with contextlib.ExitStack() as stack:
        ports = {
            name: stack.enter_context(started)
            for name, started in (
                ("moto", _moto(folder)),
                ("ministack", _ministack(folder)),
            )
        }
        for name, durability in (("ours", "relaxed"), ("ours, full", "full")):
            server = ServerProcess(folder / f"json-{durability}", durability=durability)
            stack.callback(server.stop)
            ports[name] = server.port
        for port in ports.values():
            fill(partial(_by_boto3, _client(port)))
        missed = _raw(folder, ports, seconds, rounds)
        nginx = stack.enter_context(servers.nginx(folder, folder))
        return missed + _boto3(folder, ports, nginx, seconds, rounds)


@contextlib.contextmanager
def _moto(folder: Path) -> Iterator[int]:
    port = servers.free_port()
    program = servers.install("moto[server]") / "moto_server"
    with servers.running([str(program), "-p", str(port)], port, folder):
        yield port


@contextlib.contextmanager
def _ministack(folder: Path) -> Iterator[int]:
    port = servers.free_port()
    command = ["/usr/bin/env", f"GATEWAY_PORT={port}", f"EDGE_PORT={port}"]
    program = servers.install("ministack") / "ministack"
    with servers.running([*command, str(program)], port, folder):
        yield port


def _raw(folder: Path, ports: dict[str, int], seconds: float, rounds: int) -> list[str]:
    table = Table(
        "JSON door, raw HTTP, 8 clients, calls a second",
        "",
        "moto",
        "ministack",
        "ours, relaxed",
        "ours",
        "x moto",
        "x ministack",
        "target",
    )
    first = 0
    for case in [*CASES, MANY_CASE]:
        measures = {}
        for name, port in ports.items():

            def measure(case: Case = case, port: int = port) -> float:
                nonlocal first
                count = round(SUPPLY * max(1.0, seconds)) if case.write else 1
                requests = [
                    signed(port, case.operation, case.input(first + number))
                    for number in range(count)
                ]
                first += count
                return rate(port, requests, folder, seconds=seconds, clients=CLIENTS)

            measures[name] = measure
        found = in_turn(measures, rounds)
        ours, full = found["ours"], found["ours, full"]
        # So slow that wrk saw no answer at all counts as one in the whole measurement.
        at_least = 1 / seconds
        moto, ministack = max(found["moto"], at_least), max(found["ministack"], at_least)
        by_moto, by_ministack = full / moto, full / ministack
        aims = (20.0, 1.3) if case.name else (5.0, 1.3)
        if case.write:
            aims = (5.0, 0.7)
        verdict = f"≥ {aims[0]:g}, ≥ {aims[1]:g}"
        label = case.name or case.operation
        if by_moto < aims[0] or by_ministack < aims[1]:
            verdict += " ✗"
            table.missed.append(f"{label}: {by_moto:.1f} x moto, {by_ministack:.2f} x ministack")
        if case.write and ours / ministack < 1:
            verdict += " relaxed ✗"
            table.missed.append(f"{label}, relaxed: {ours / ministack:.2f} x ministack")
        table.row(
            label,
            *(figure(found[name]) for name in ("moto", "ministack", "ours", "ours, full")),
            f"{by_moto:.1f}",
            f"{by_ministack:.2f}",
            verdict,
        )
    return table.missed


def _boto3(
    folder: Path, ports: dict[str, int], nginx: int, seconds: float, rounds: int
) -> list[str]:
    table = Table(
        "JSON door, boto3, one client, calls a second",
        "",
        "moto",
        "ministack",
        "ours, relaxed",
        "ours",
        "syncs of the disk",
        "x moto",
        "x ministack",
        "target",
    )
    number = 10**6
    for case in CASES:
        measures = {}
        for name, port in ports.items():

            def measure(case: Case = case, port: int = port) -> float:
                nonlocal number
                client = _client(port)
                call = getattr(client, _method(client, case.operation))

                def one() -> None:
                    nonlocal number
                    number += 1
                    call(**case.input(number))

                return _rate_of(one, seconds / 2)

            measures[name] = measure
        if case.write:
            measures["disk"] = partial(sync_rate, folder, seconds=seconds / 2)
        found = in_turn(measures, rounds)
        table_ratio = found["ours, full"] / found["moto"]
        verdict = "≥ 3"
        if table_ratio < 3:
            verdict += " ✗"
            table.missed.append(f"{case.operation} by boto3: {table_ratio:.1f} x moto")
        table.row(
            case.operation,
            *(figure(found[name]) for name in ("moto", "ministack", "ours", "ours, full")),
            figure(found["disk"]) if case.write else "",
            f"{table_ratio:.1f}",
            f"{found['ours, full'] / found['ministack']:.2f}",
            verdict,
        )
    for name, client in (
        ("boto3 and HTTP, answered by nginx", _client(nginx)),
        ("boto3 itself, without a server", _client_alone()),
    ):
        call = partial(client.describe_repositories, repositoryNames=["bench"])
        table.row(name, "", "", "", figure(_rate_of(call, seconds / 2)), "", "", "", "")
    return table.missed


def _rate_of(call: Callable[[], object], seconds: float) -> float:
    """Call again and again for a while; return how often a second."""
    started, count = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - started) < seconds:
        call()
        count += 1
    return count / elapsed


def _client_alone() -> Any:
    """Return a client whose answers are there at once."""
    from botocore.awsrequest import AWSResponse

    class Raw:
        def stream(self, **_: object) -> Iterator[bytes]:
            yield b'{"repositories":[]}'

    client = _client(1)
    client.meta.events.register(
        "before-send", lambda request, **_: AWSResponse(request.url, 200, {}, Raw())
    )
    return client


def fill(call: Call) -> None:
    """Make what is read later: a repository with ten images, and one with a thousand."""
    for repository, count in (("bench", 10), ("many", MANY)):
        call("CreateRepository", {"repositoryName": repository})
        _upload_layers(call, repository, IMAGE)
        for number in range(count):
            image = {"imageManifest": _manifest(number), "imageTag": f"v{number}"}
            call("PutImage", {"repositoryName": repository, **image})
    call("SetRepositoryPolicy", {"repositoryName": "bench", "policyText": POLICY})


def _upload_layers(call: Call, repository: str, image: Image) -> None:
    """Upload what the images are made of, where the server wants that (moto takes any manifest)."""
    for blob in image.blobs:
        try:
            started = call("InitiateLayerUpload", {"repositoryName": repository})
            upload = {"repositoryName": repository, "uploadId": started["uploadId"]}
            last = len(blob.data) - 1
            part = {"partFirstByte": 0, "partLastByte": last, "layerPartBlob": blob.data}
            call("UploadLayerPart", {**upload, **part})
            call("CompleteLayerUpload", {**upload, "layerDigests": [blob.digest]})
        except ClientError:
            return


def _by_boto3(client: Any, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = getattr(client, _method(client, operation))(**parameters)
    return answer


def _manifest(number: int) -> str:
    document = json.loads(IMAGE.manifest.data)
    document["annotations"] = {"number": str(number)}
    return json.dumps(document)


def _client(port: int) -> Any:
    return boto3.client(
        "ecr",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name=REGION,
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        config=Config(retries={"total_max_attempts": 1}, parameter_validation=True),
    )


def _method(client: Any, operation: str) -> str:
    mapping = client.meta.method_to_api_mapping
    return next(name for name, api in mapping.items() if api == operation)


def signed(port: int, operation: str, parameters: dict[str, Any]) -> Prepared:
    """Return a call as it goes over the wire, signed now."""
    body = json.dumps(parameters, default=lambda data: b64encode(data).decode()).encode()
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": f"{TARGET}.{operation}",
        "Host": f"127.0.0.1:{port}",
    }
    url = f"http://127.0.0.1:{port}/"
    request = AWSRequest("POST", url, data=body, headers=headers)
    SigV4Auth(Credentials(KEY, SECRET), "ecr", REGION).add_auth(request)
    return Prepared("POST", "/", dict(request.headers.items()), body)

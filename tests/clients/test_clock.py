"""Time moved under a running server of two workers: what takes days is seen in a second."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import urllib3
from botocore.exceptions import ClientError

from tests.clients.caller import Caller
from tests.support.fake_upstream import FakeUpstream
from tests.support.images import make_image
from tests.support.server import ServerProcess, environment

POOL = urllib3.PoolManager(retries=False, timeout=30)


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    made = FakeUpstream()
    yield made
    made.close()


@pytest.fixture(scope="module")
def moved_server(
    tmp_path_factory: pytest.TempPathFactory, upstream: FakeUpstream
) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("clock")
    config = folder / "settings.toml"
    config.write_text(f'[upstreams]\n"quay.io" = "{upstream.url}"\n')
    made = ServerProcess(folder / "data", config=config, workers=2)
    yield made
    assert made.stop() == 0


@pytest.fixture
def caller(moved_server: ServerProcess, tmp_path: Path) -> Iterator[Caller]:
    yield Caller(moved_server.url, tmp_path)
    assert clock(moved_server, "DELETE")["offsetSeconds"] == 0


def clock(server: ServerProcess, method: str = "GET", **document: Any) -> dict[str, Any]:
    body = json.dumps(document) if document else None
    answer = POOL.request(method, f"{server.url}/_emulator/clock", body=body)
    assert answer.status == 200, answer.data
    return dict(answer.json())


def soon(check: Callable[[], bool]) -> None:
    """Wait until *check* is true, which it is when the workers have looked for jobs."""
    until = time.monotonic() + 30
    while not check():
        assert time.monotonic() < until
        time.sleep(0.1)


def test_a_token_of_twelve_hours(moved_server: ServerProcess, caller: Caller) -> None:
    oci = caller.oci()
    clock(moved_server, "POST", advance="11h59m")
    # Whichever worker is asked; and boto3 signs by the machine's time.
    assert {oci.request("GET", "/v2/").status for _ in range(20)} == {200}
    clock(moved_server, "POST", advance=120)
    for _ in range(20):
        answer = oci.request("GET", "/v2/")
        assert answer.status == 403
        assert b"Your authorization token has expired" in answer.data
    (data,) = caller.ecr.get_authorization_token()["authorizationData"]
    assert data["expiresAt"] - datetime.now(timezone.utc) > timedelta(hours=23)
    assert caller.oci().request("GET", "/v2/").status == 200


def test_a_lifecycle_rule_of_thirty_days(moved_server: ServerProcess, caller: Caller) -> None:
    caller.create_repository("app")
    caller.oci().push("app", make_image(), "old")
    rule = {
        "rulePriority": 1,
        "selection": {
            "tagStatus": "any",
            "countType": "sinceImagePushed",
            "countUnit": "days",
            "countNumber": 30,
        },
        "action": {"type": "expire"},
    }
    caller.ecr.put_lifecycle_policy(
        repositoryName="app", lifecyclePolicyText=json.dumps({"rules": [rule]})
    )

    def images() -> int:
        return len(caller.ecr.list_images(repositoryName="app")["imageIds"])

    clock(moved_server, "POST", advance="29d")
    time.sleep(1)
    assert images() == 1
    clock(moved_server, "POST", advance="2d")
    # The hourly run is due, and nobody asked for it.
    soon(lambda: images() == 0)


def test_a_cached_tag_is_compared_after_a_day(
    moved_server: ServerProcess, caller: Caller, upstream: FakeUpstream
) -> None:
    caller.ecr.create_pull_through_cache_rule(
        ecrRepositoryPrefix="quay", upstreamRegistryUrl="quay.io"
    )
    first, second = make_image(), make_image()
    upstream.add("team/app", first, "1")
    path = "/v2/quay/team/app/manifests/1"
    assert caller.oci().request("GET", path).data == first.manifest.data
    upstream.add("team/app", second, "1")
    clock(moved_server, "POST", advance="23h")
    assert caller.oci().request("GET", path).data == first.manifest.data
    clock(moved_server, "POST", advance="2h")
    assert caller.oci().request("GET", path).data == second.manifest.data


def test_a_scan_a_day(moved_server: ServerProcess, caller: Caller) -> None:
    caller.create_repository("app")
    caller.oci().push("app", make_image(), "1")

    def scan() -> None:
        caller.ecr.start_image_scan(repositoryName="app", imageId={"imageTag": "1"})

    scan()
    with pytest.raises(ClientError, match="LimitExceeded"):
        scan()
    clock(moved_server, "POST", advance="1d")
    scan()


def test_temporary_keys_expire(moved_server: ServerProcess, caller: Caller) -> None:
    keys = caller.client("sts").get_session_token(DurationSeconds=3600)["Credentials"]
    session = Caller(
        moved_server.url,
        Path("/nonexistent"),
        keys["AccessKeyId"],
        secret=keys["SecretAccessKey"],
        session_token=keys["SessionToken"],
    )
    session.ecr.describe_repositories()
    clock(moved_server, "POST", advance="61m")
    with pytest.raises(ClientError, match="ExpiredTokenException"):
        session.ecr.describe_repositories()


def test_what_recurs_does_so_after_the_clock_went_back(
    moved_server: ServerProcess, caller: Caller
) -> None:
    """A job that is due an hour from a time to come is due an hour from now."""
    caller.create_repository("app")
    clock(moved_server, "POST", advance="300d")
    time.sleep(1.5)
    POOL.request("POST", f"{moved_server.url}/_emulator/reset")
    assert clock(moved_server)["offsetSeconds"] == 0
    caller.create_repository("app")
    caller.oci().push("app", make_image(), "1")
    rule = {
        "rulePriority": 1,
        "selection": {
            "tagStatus": "any",
            "countType": "sinceImagePushed",
            "countUnit": "days",
            "countNumber": 1,
        },
        "action": {"type": "expire"},
    }
    caller.ecr.put_lifecycle_policy(
        repositoryName="app", lifecyclePolicyText=json.dumps({"rules": [rule]})
    )
    clock(moved_server, "POST", advance="2d")
    soon(lambda: not caller.ecr.list_images(repositoryName="app")["imageIds"])


def test_frozen_and_set(moved_server: ServerProcess, caller: Caller) -> None:
    answer = clock(moved_server, "PUT", now="2031-02-03T04:05:06Z", frozen=True)
    assert answer["now"] == "2031-02-03T04:05:06.000Z"
    assert answer["frozen"]
    created = caller.ecr.create_repository(repositoryName="app")["repository"]["createdAt"]
    assert created == datetime(2031, 2, 3, 4, 5, 6, tzinfo=timezone.utc)
    assert clock(moved_server)["now"] == "2031-02-03T04:05:06.000Z"
    assert not clock(moved_server, "PUT", frozen=False)["frozen"]
    assert clock(moved_server)["now"] > "2031-02-03T04:05:06.000Z"


@pytest.mark.parametrize(
    ("method", "body"),
    [
        ("POST", b""),
        ("POST", b"{"),
        ("POST", b"[]"),
        ("POST", b"{}"),
        ("POST", b'{"advance": ""}'),
        ("POST", b'{"advance": "-1d"}'),
        ("POST", b'{"advance": -1}'),
        ("POST", b'{"advance": true}'),
        ("POST", b'{"advance": 1e400}'),
        ("POST", b'{"advance": "999999999d"}'),
        ("POST", b'{"advance": "' + b"9" * 100_000 + b'd"}'),
        ("POST", b'{"advance": "1h", "now": "2030-01-01T00:00:00Z"}'),
        ("PUT", b'{"now": "soon"}'),
        ("PUT", b'{"now": "2030-01-01T00:00:00"}'),
        ("PUT", b'{"now": "0001-01-01T00:00:00+14:00"}'),
        ("PUT", b'{"now": 5}'),
        ("PUT", b'{"frozen": "yes"}'),
    ],
)
def test_what_is_no_time(moved_server: ServerProcess, method: str, body: bytes) -> None:
    answer = POOL.request(method, f"{moved_server.url}/_emulator/clock", body=body)
    assert answer.status == 400, answer.data
    assert answer.json()["message"]
    assert clock(moved_server)["offsetSeconds"] == 0


def test_by_the_command_line(moved_server: ServerProcess, caller: Caller) -> None:
    def run(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                *(sys.executable, "-m", "ecr_emulator", "clock", *args),
                *("--endpoint-url", moved_server.url),
            ],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert run("advance", "30d").stdout.endswith(", +2592000.0 s from the machine's\n")
    assert run("set", "2031-01-01T00:00:00Z").stdout.startswith("2031-01-01T00:00:00")
    assert "(stopped)" in run("freeze").stdout
    refused = run("advance", "soon")
    assert refused.returncode == 1
    assert refused.stderr.startswith("ecr-emulator: no clock: a duration is a number of seconds")
    assert run("reset").stdout.endswith(", +0.0 s from the machine's\n")

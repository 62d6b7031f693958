"""Real clients: docker, skopeo, the aws command and boto3, each with a configuration of its own."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from ecr_emulator.auth.principals import root_principal
from ecr_emulator.auth.tokens import TOKEN_LIFETIME, RegistryTokens
from ecr_emulator.clock import SettableClock
from ecr_emulator.db.engine import Database
from ecr_emulator.db.migrate import installation_secret
from tests.clients.caller import Caller
from tests.clients.skopeo import Skopeo
from tests.support.docker import Docker, DockerUnavailable, find_daemon
from tests.support.server import ServerProcess


@pytest.fixture
def caller(server: ServerProcess, tmp_path: Path) -> Caller:
    """A user of an account of their own at the shared server."""
    return Caller(server.url, tmp_path / "aws")


@pytest.fixture
def expired_password(server: ServerProcess, caller: Caller) -> str:
    """A registry token of the caller that ended an hour ago."""
    database = Database(f"sqlite:///{server.data_dir}/registry.sqlite3")
    try:
        secret = installation_secret(database)
    finally:
        database.close()
    issued = SettableClock(datetime.now(timezone.utc) - TOKEN_LIFETIME - timedelta(hours=1))
    token = RegistryTokens(secret, issued).issue(
        root_principal(caller.account), caller.account, caller.region
    )
    return base64.b64decode(token.token).decode().partition(":")[2]


@pytest.fixture(scope="session")
def docker_host(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a docker daemon; the test is skipped when there is none."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        # All workers share one daemon, which ends with the process that started the workers.
        shared, owner = base.parent, os.getppid()
    else:
        shared, owner = base, os.getpid()
    try:
        return find_daemon(shared, owner)
    except DockerUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture
def docker(docker_host: str, tmp_path: Path) -> Iterator[Docker]:
    """The docker command of a user who has logged in nowhere yet."""
    user = Docker(tmp_path / "docker", docker_host)
    yield user
    user.cleanup()


@pytest.fixture
def skopeo_command() -> None:
    """For the tests that run skopeo."""
    if shutil.which("skopeo") is None:
        pytest.skip("skopeo is not installed")


@pytest.fixture
def skopeo(caller: Caller, skopeo_command: None) -> Skopeo:
    """skopeo with the caller's registry token."""
    return Skopeo(caller.password())


@pytest.fixture
def aws_command() -> None:
    """For the tests that run the aws command."""
    if shutil.which("aws") is None:
        pytest.skip("the aws command is not installed")

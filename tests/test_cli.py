"""The command line as a shell sees it: what it prints where, and its exit status."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import fields
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from ecr_emulator import __version__
from ecr_emulator.cli import main
from ecr_emulator.config import Settings
from ecr_emulator.setting_sources import flag_name, variable_name
from tests.conftest import MakeServer
from tests.support.server import ServerProcess, environment

ROOT = Path(__file__).parents[1]


def run(
    *args: str, folder: Path, variables: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``python -m ecr_emulator ARGS`` in a folder, and return what came of it."""
    return subprocess.run(
        [sys.executable, "-m", "ecr_emulator", *args],
        cwd=folder,
        env=environment(PYTHONPATH=str(ROOT), **(variables or {})),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_version(tmp_path: Path) -> None:
    done = run("version", folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"ecr-emulator {__version__}\n", "")


def test_help_explains_every_setting(tmp_path: Path) -> None:
    done = run("serve", "--help", folder=tmp_path, variables={"COLUMNS": "400"})
    assert done.returncode == 0
    for item in fields(Settings):
        assert flag_name(item.name) in done.stdout
        assert variable_name(item.name) in done.stdout
    assert "--no-strict-ecr" in done.stdout
    assert "ECR_EMULATOR_CONFIG" in done.stdout


@pytest.mark.parametrize(
    ("args", "variables", "file", "line"),
    [
        (
            ["--port", "http"],
            {},
            "",
            "setting port (--port): 'http' is not a whole number from 0 to 65535",
        ),
        (
            [],
            {"ECR_EMULATOR_AUTH": "off"},
            "",
            "setting auth (ECR_EMULATOR_AUTH): 'off' is not one of strict, permissive",
        ),
        (
            [],
            {},
            "workers = 0",
            "setting workers (key workers of ecr-emulator.toml): 0 is not a whole number"
            " from 1 to 64",
        ),
        (
            ["--config", "no.toml"],
            {},
            "",
            "settings file no.toml (--config): No such file or directory",
        ),
        (
            ["--data-dir", "ecr-emulator.toml"],
            {},
            "# a file, not a folder",
            "setting data_dir: {folder}/ecr-emulator.toml: File exists",
        ),
        (
            ["--secrets", "no.toml"],
            {},
            "",
            "secrets file no.toml: No such file or directory",
        ),
        (
            ["--secrets", "ecr-emulator.toml"],
            {},
            "port = 0",
            "secrets file ecr-emulator.toml: 'port' needs the texts username and accessToken",
        ),
    ],
)
def test_a_bad_setting_is_one_line_and_status_2(
    tmp_path: Path, args: list[str], variables: dict[str, str], file: str, line: str
) -> None:
    if file:
        (tmp_path / "ecr-emulator.toml").write_text(file)
    done = run("serve", *args, folder=tmp_path, variables=variables)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == f"ecr-emulator: {line.format(folder=tmp_path)}\n"


def test_an_unknown_flag_is_status_2(tmp_path: Path) -> None:
    done = run("serve", "--prot", "1", folder=tmp_path)
    assert done.returncode == 2
    assert "--prot" in done.stderr


def test_a_port_in_use_is_one_line_and_status_1(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("serve", "--port", str(port), folder=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"ecr-emulator: cannot listen on 127.0.0.1:{port}: Address already in use\n"
    )


def test_two_servers_cannot_share_a_port(server: ServerProcess, tmp_path: Path) -> None:
    done = run("serve", "--port", str(server.port), folder=tmp_path)
    assert done.returncode == 1
    assert "Address already in use" in done.stderr


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1", "::g"])
def test_an_address_that_is_not_ours_is_one_line_and_status_1(tmp_path: Path, host: str) -> None:
    done = run("serve", "--host", host, "--port", "0", folder=tmp_path)
    assert done.returncode == 1
    assert re.fullmatch(r"ecr-emulator: cannot listen on .*: .+\n", done.stderr)


@pytest.mark.parametrize("command", ["migrate", "serve"])
def test_a_database_that_cannot_be_used_is_one_line_and_status_1(
    tmp_path: Path, command: str
) -> None:
    url = f"sqlite:///{tmp_path}"  # a folder
    port = ["--port", "0"] if command == "serve" else []
    done = run(command, "--database-url", url, *port, folder=tmp_path)
    assert done.returncode == 1
    assert re.fullmatch(r"ecr-emulator: cannot use the database: .+\n", done.stderr)


def test_migrate_makes_the_schema_and_may_be_repeated(tmp_path: Path) -> None:
    for _ in range(2):
        done = run("migrate", "--data-dir", "here", folder=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "here" / "registry.sqlite3").stat().st_size > 0


@pytest.mark.parametrize("command", ["serve", "gc", "fsck", "migrate"])
def test_blobs_of_another_database_are_left_alone(command: str, tmp_path: Path) -> None:
    """Under a database that does not know them, all blobs would be garbage."""
    folder = tmp_path / "data"
    blob = folder / "blobs" / "sha256" / "ab" / ("ab" * 32)
    assert run("migrate", "--data-dir", "data", folder=tmp_path).returncode == 0
    blob.parent.mkdir(parents=True)
    blob.write_bytes(b"needed")
    other = ["--data-dir", "data", "--database-url", f"sqlite:///{tmp_path}/other.sqlite3"]
    done = run(command, *other, folder=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "belong to another database" in done.stderr
    assert blob.read_bytes() == b"needed"
    (folder / "owner").unlink()
    if command != "serve":
        assert run(command, *other, folder=tmp_path).returncode == (1 if command == "fsck" else 0)
        assert blob.exists() is (command != "gc")


def test_what_serve_prints(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server(workers=3)
    first, second, third = server.log.splitlines()[:3]
    assert first == f"ecr-emulator {__version__} listens on {server.url} with 3 workers"
    assert second == f"data folder: {tmp_path}/data"
    registry = server.url.removeprefix("http://")
    assert re.fullmatch(
        rf"log docker in: \S.* get-login-password --endpoint-url {re.escape(server.url)}"
        rf" \| docker login --username AWS --password-stdin {re.escape(registry)}",
        third,
    )


def test_the_line_to_log_in_is_one_that_works(make_server: MakeServer, tmp_path: Path) -> None:
    """As pasted into a shell, up to the docker command that would read the password."""
    server = make_server()
    command = server.log.splitlines()[2].removeprefix("log docker in: ").partition(" | ")[0]
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=ROOT,
        env=environment(HOME=str(tmp_path)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert ask_v2(server, done.stdout.strip()) == 200


def ask_v2(server: ServerProcess, password: str | None = None) -> int:
    """Return the status of ``GET /v2/``, with a password or without."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    headers = {}
    if password is not None:
        token = base64.b64encode(f"AWS:{password}".encode()).decode()
        headers["Authorization"] = f"Basic {token}"
    connection.request("GET", "/v2/", headers=headers)
    with contextlib.closing(connection):
        return connection.getresponse().status


def test_a_stop_is_status_0_and_frees_the_port(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server()
    assert server.stop() == 0
    again = make_server(port=server.port)
    assert again.port == server.port


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="processes are read there")
def test_the_real_application_outlives_a_killed_worker(make_server: MakeServer) -> None:
    server = make_server()
    path = Path(f"/proc/{server.pid}/task/{server.pid}/children")
    before = set(path.read_text().split())
    os.kill(int(min(before)), signal.SIGKILL)
    until = time.monotonic() + 20
    while len(after := set(path.read_text().split())) < 2 or min(before) in after:
        assert time.monotonic() < until, server.log
        time.sleep(0.02)
    assert ask_v2(server) == 401
    assert len(before & after) == 1


def test_it_listens_on_ipv6_too(make_server: MakeServer) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    server = make_server(host="::1")
    assert server.url.startswith("http://[::1]:")


# -- get-login-password -----------------------------------------------------------------------


class Answer(BaseHTTPRequestHandler):
    """A server that answers GetAuthorizationToken, and remembers how it was asked."""

    asked: list[dict[str, str]]
    status = 200

    def do_POST(self) -> None:
        self.asked.append({name.lower(): value for name, value in self.headers.items()})
        token = base64.b64encode(b"AWS:the:password").decode()
        body = {"authorizationData": [{"authorizationToken": token}]}
        if self.status != 200:
            body = {"__type": "UnrecognizedClientException", "message": "The key is invalid."}
        data = json.dumps(body).encode()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def answering() -> Iterator[tuple[str, type[Answer]]]:
    handler = type("OneAnswer", (Answer,), {"asked": []})
    with HTTPServer(("127.0.0.1", 0), handler) as stub:
        threading.Thread(target=stub.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{stub.server_port}", handler
        stub.shutdown()


def test_the_password_is_the_tokens_second_half(
    answering: tuple[str, type[Answer]], tmp_path: Path
) -> None:
    url, handler = answering
    own = {
        "HOME": str(tmp_path),
        "AWS_ACCESS_KEY_ID": "111122223333",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL": url,
    }
    done = run("get-login-password", "--region", "eu-west-1", folder=tmp_path, variables=own)
    assert (done.returncode, done.stdout, done.stderr) == (0, "the:password\n", "")
    [asked] = handler.asked
    assert asked["x-amz-target"].endswith(".GetAuthorizationToken")
    assert re.search(r"Credential=111122223333/\d{8}/eu-west-1/ecr/", asked["authorization"])


def test_without_credentials_the_known_ones_are_used(
    answering: tuple[str, type[Answer]], tmp_path: Path
) -> None:
    url, handler = answering
    own = {"HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
    done = run("get-login-password", "--endpoint-url", url, folder=tmp_path, variables=own)
    assert done.returncode == 0
    assert re.search(r"Credential=test/\d{8}/us-east-1/ecr/", handler.asked[0]["authorization"])


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("refusing", "UnrecognizedClientException"),
        ("http://127.0.0.1:1", "Could not connect to the endpoint URL"),
        ("not a url", "Invalid endpoint"),
    ],
)
def test_no_password_is_one_line_and_status_1(
    answering: tuple[str, type[Answer]], tmp_path: Path, url: str, reason: str
) -> None:
    stub, handler = answering
    handler.status = 400
    own = {"HOME": str(tmp_path), "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "sekret"}
    url = stub if url == "refusing" else url
    done = run("get-login-password", "--endpoint-url", url, folder=tmp_path, variables=own)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("ecr-emulator: no password: ")
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1
    assert "sekret" not in done.stderr


def test_postgresql_without_its_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    arguments = ["--data-dir", str(tmp_path), "--database-url", "postgresql://127.0.0.1:1/ecr"]
    with pytest.raises(SystemExit) as ended:
        main(["migrate", *arguments])
    assert ended.value.code == 1
    assert capsys.readouterr().err == (
        "ecr-emulator: cannot use the database: PostgreSQL needs psycopg, which is not installed:"
        " pip install 'ecr-emulator[postgresql]'\n"
    )

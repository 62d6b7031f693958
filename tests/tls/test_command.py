"""``ecr-emulator tls`` and ``serve --tls`` as a shell sees them."""

from __future__ import annotations

import http.client
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from tests.conftest import MakeServer
from tests.support.server import environment
from tests.test_cli import ROOT, run


def test_it_makes_what_is_missing_and_prints_the_lines(tmp_path: Path) -> None:
    done = run("tls", "--data-dir", "here", "--account", "111111111111", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    authority = tmp_path / "here" / "tls" / "ca.crt"
    host = "111111111111.dkr.ecr.us-east-1.localhost"
    lines = done.stdout.splitlines()
    assert lines[0] == f"authority: {authority}"
    assert f"127.0.0.1 {host}" in lines
    assert f"sudo install -D -m 644 {authority} /etc/docker/certs.d/{host}:4566/ca.crt" in lines
    assert f"export AWS_CA_BUNDLE={authority}" in lines
    assert f"export SSL_CERT_FILE={authority}" in lines
    assert "amazonaws" not in done.stdout
    shown = subprocess.run(
        ["openssl", "x509", "-in", str(authority), "-noout", "-fingerprint", "-sha256"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.strip().partition("=")[2] in lines[1]
    # A second call changes nothing.
    assert run("tls", "--data-dir", "here", folder=tmp_path).stdout.splitlines()[:3] == lines[:3]


def test_names_of_aws(tmp_path: Path) -> None:
    flags = ("--tls-aws-names", "--port", "443", "--default-region", "eu-west-1")
    done = run("tls", *flags, folder=tmp_path)
    lines = done.stdout.splitlines()
    host = "000000000000.dkr.ecr.eu-west-1.amazonaws.com"
    authority = tmp_path / "data" / "tls" / "ca.crt"
    assert f"127.0.0.1 {host}" in lines
    assert "127.0.0.1 api.ecr.eu-west-1.amazonaws.com" in lines
    assert "127.0.0.1 public.ecr.aws" in lines
    assert f"sudo install -D -m 644 {authority} /etc/docker/certs.d/{host}/ca.crt" in lines
    assert "export AWS_ENDPOINT_URL=https://127.0.0.1" in lines
    assert "us-west-2.amazonaws" not in done.stdout
    assert "--port 443" not in done.stdout
    assert "--port 443" in run("tls", "--tls-aws-names", folder=tmp_path).stdout


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (["tls", "--account", "1"], "'1' is not an account: twelve digits"),
        (["tls"], "{folder}/data/tls/ca.crt: not a certificate in PEM"),
        (["serve", "--tls", "--port", "0"], "{folder}/data/tls/ca.crt: not a certificate in PEM"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, command: list[str], line: str) -> None:
    (tmp_path / "data" / "tls").mkdir(parents=True)
    for name in ("ca.crt", "ca.key"):
        (tmp_path / "data" / "tls" / name).write_text("no")
    done = run(*command, folder=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"ecr-emulator: {line.format(folder=tmp_path)}\n"


def test_serve_speaks_tls_only(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server(tls=True)
    first, _, third = server.log.splitlines()[:3]
    assert f" listens on {server.url} with " in first
    assert server.url.startswith("https://")
    context = ssl.create_default_context(cafile=server.authority)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context.minimum_version = context.maximum_version = version
        connection = http.client.HTTPSConnection(server.host, server.port, context=context)
        connection.request("GET", "/v2/")
        answer = connection.getresponse()
        assert answer.status == 401
        realm = answer.headers["WWW-Authenticate"].partition(",")[0]
        assert realm == f'Basic realm="{server.url}/"'
        connection.close()
    with socket.create_connection((server.host, server.port), timeout=10) as plain:
        plain.sendall(b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert not plain.recv(100).startswith(b"HTTP")
    # The line to log in works as it is.
    command = third.removeprefix("log docker in: ").partition(" | ")[0]
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
    assert len(done.stdout) > 500

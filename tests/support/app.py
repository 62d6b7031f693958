"""The whole emulator in this process: no socket, no server, a clock that tests move.

Two fixtures serve most tests: ``app`` (:class:`App`) and ``ecr``, a real boto3 client of
:data:`ACCOUNT` whose requests run through the application. A folder's ``conftest.py`` imports
them; more of either come from :meth:`App.ecr`, :meth:`App.oci` and :meth:`App.another_process`.
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import json
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.auth
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest, AWSResponse
from botocore.config import Config
from botocore.credentials import Credentials
from sqlalchemy import delete
from werkzeug.test import Client, EnvironBuilder, TestResponse
from werkzeug.wrappers import Response

from ecr_emulator.app import Application, create_app
from ecr_emulator.clock import SettableClock
from ecr_emulator.config import Settings
from ecr_emulator.db import migrate
from ecr_emulator.db.jobs_table import jobs
from tests.support import postgresql
from tests.support.images import Blob, Image, Index

ACCOUNT = "123456789012"
#: A second account, for tests of what must stay apart.
STRANGER = "210987654321"
REGION = "us-east-1"
HOST = "localhost:4566"


#: The databases of the applications, by their folders.
_postgresql_urls: dict[Path, str] = {}


class App:
    """An application over a folder.

    :param folder: its data folder; it becomes a fresh installation's unless it is one already.
    :param migrated: whether the schema comes by a copy, which is fast but has the same secret
        as every other, or by a migration of its own.
    :param settings: of :class:`~ecr_emulator.config.Settings`.
    """

    def __init__(
        self,
        folder: Path,
        clock: SettableClock | None = None,
        *,
        migrated: bool = True,
        **settings: Any,
    ) -> None:
        self.folder = folder
        self.clock = clock or SettableClock()
        ours = {"data_dir": folder, "durability": "relaxed", "companions": "off"}
        self.settings = Settings(**{**ours, **settings})
        if postgresql.SERVER and "database_url" not in settings:
            url = _postgresql_urls.get(folder) or postgresql.new_database(migrated=migrated)
            _postgresql_urls[folder] = url
            self.settings = replace(self.settings, database_url=url)
        elif not (folder / "registry.sqlite3").exists():
            folder.mkdir(parents=True, exist_ok=True)
            if migrated:
                shutil.copyfile(_migrated_database(), folder / "registry.sqlite3")
            else:
                migrate.upgrade(self.settings.database_url)
        self.application: Application = create_app(self.settings, clock=self.clock)
        self._lent: list[_InProcessClient] = []
        self._processes: list[App] = []
        self._tokens: dict[tuple[str, str, str], tuple[str, datetime]] = {}

    def another_process(self, **settings: Any) -> App:
        """Return a second application over the same folder, as another worker would be."""
        other = App(self.folder, self.clock, **settings)
        self._processes.append(other)
        return other

    def close(self) -> None:
        """Close what the tests opened."""
        self._close_others()
        self.application.close()

    def make_new(self) -> bool:
        """Make it as good as new; say whether that could be done."""
        self._close_others()
        self._tokens.clear()
        if self.application.jobs._stopping.is_set():
            # A test closed it: it would do no more jobs.
            return False
        self.clock.advance(datetime.now(timezone.utc) - self.clock.now())
        if self.request("POST", "/_emulator/reset").status_code != 200:
            return False
        # What recurs stays queued over a reset, at times of a clock that may be set back now.
        with self.application._database.write() as connection:
            connection.execute(delete(jobs))
        # By a connection that knows nothing: others would not see what a test did to the file.
        if not postgresql.SERVER:
            with contextlib.closing(sqlite3.connect(self.folder / "registry.sqlite3")) as raw:
                if raw.execute("PRAGMA integrity_check").fetchone() != ("ok",):
                    return False
        return {path.name for path in self.folder.iterdir()} <= _FILES

    def _close_others(self) -> None:
        for process in self._processes:
            process.close()
        for client in self._lent:
            client.give_back()
        self._processes, self._lent = [], []

    def ecr(
        self,
        account: str = ACCOUNT,
        region: str = REGION,
        host: str = HOST,
        secret: str = "test",
        service: str = "ecr",
        session_token: str = "",
    ) -> Any:
        """Return a boto3 client of *account*'s root user, each request tried once.

        :param account: an account, or another access key id of which *secret* is the secret.
        :param service: boto3's name of it: ``ecr``, ``ecr-public``, ``sts``.
        :param session_token: of temporary credentials.
        """
        client = _InProcessClient.take(service, account, region, host, secret, session_token)
        client.app = self
        self._lent.append(client)
        return client.boto3

    def oci(
        self,
        account: str = ACCOUNT,
        region: str = REGION,
        host: str = HOST,
        registry: str | None = None,
    ) -> OciCaller:
        """Return a caller at the OCI door with a token of *account*.

        :param registry: the account of the registry that the token is for, if not its own.
        """
        return OciCaller(self, self.token(account, region, registry), host)

    def token(
        self, account: str = ACCOUNT, region: str = REGION, registry: str | None = None
    ) -> str:
        """Return a registry token (``AWS:<password>`` in base64), a new one after twelve hours."""
        key = (account, region, registry or account)
        token, expires_at = self._tokens.get(key, ("", self.clock.now()))
        if expires_at <= self.clock.now():
            (data,) = self.ecr(account, region).get_authorization_token(
                **({"registryIds": [registry]} if registry else {})
            )["authorizationData"]
            token, expires_at = data["authorizationToken"], data["expiresAt"]
            self._tokens[key] = token, expires_at
        return token

    def request(
        self,
        method: str,
        path: str,
        body: bytes | BytesIO = b"",
        headers: Mapping[str, str] | None = None,
        *,
        host: str = HOST,
        length: int | None = None,
        chunked: bool = False,
        environ: Mapping[str, Any] | None = None,
    ) -> TestResponse:
        """Send one request and return its answer; nothing is followed or retried.

        :param path: with the query; percent-encoded.
        :param length: the Content-Length to claim, if not the body's own.
        :param chunked: send the body without a length, as ``Transfer-Encoding: chunked``.
        :param environ: entries of the WSGI environ that come last.
        """
        overrides = {"REMOTE_ADDR": "127.0.0.1", **(environ or {})}
        stream = body if isinstance(body, BytesIO) else BytesIO(body)
        if chunked:
            overrides.setdefault("wsgi.input_terminated", True)
            overrides.setdefault("HTTP_TRANSFER_ENCODING", "chunked")
            overrides.setdefault("CONTENT_LENGTH", "")
        elif length is not None:
            overrides.setdefault("CONTENT_LENGTH", str(length))
        builder = EnvironBuilder(
            path,
            f"http://{host}",
            method=method,
            input_stream=stream,
            headers=list((headers or {}).items()),
            environ_overrides=overrides,
        )
        try:
            return Client(self.application, Response).open(builder)
        finally:
            builder.close()

    def call(
        self,
        operation: str,
        body: bytes | Mapping[str, Any],
        *,
        account: str = ACCOUNT,
        region: str = REGION,
        target: str = "AmazonEC2ContainerRegistry_V20150921",
        service: str = "ecr",
    ) -> tuple[int, Any]:
        """Make a call that boto3 would not let through; return status and answer.

        :param body: sent as it is, or as JSON.
        :param service: what the signature is for.
        """
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = AWSRequest("POST", f"http://{HOST}/", data=data)
        request.headers["Content-Type"] = "application/x-amz-json-1.1"
        request.headers["X-Amz-Target"] = f"{target}.{operation}"
        _signing.clock = self.clock
        SigV4Auth(Credentials(account, "test"), service, region).add_auth(request)
        _signing.clock = None
        response = self.request("POST", "/", data, dict(request.headers.items()))
        assert response.headers["x-amzn-RequestId"]
        assert response.content_type == "application/x-amz-json-1.1"
        return response.status_code, response.get_json(force=True)

    def run_jobs(self) -> int:
        """Do the work that is due now, as a worker would; return how many jobs there were."""
        return self.application.jobs.run_due()


class OciCaller:
    """Someone with a registry token, or without.

    :param token: ``AWS:<password>`` in base64; ``None`` sends no credentials.
    """

    def __init__(self, app: App, token: str | None, host: str = HOST) -> None:
        self.app = app
        self.token = token
        self.host = host

    def request(
        self,
        method: str,
        path: str,
        body: bytes | BytesIO = b"",
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> TestResponse:
        """Send one request (options as those of :meth:`App.request`).

        Whatever it is, the answer names the API's version, and is no 500.
        """
        sent = dict(headers or {})
        if self.token is not None:
            sent.setdefault("Authorization", f"Basic {self.token}")
        response = self.app.request(method, path, body, sent, **{"host": self.host, **options})
        assert response.headers["Docker-Distribution-Api-Version"] == "registry/2.0"
        assert response.status_code != 500, response.text
        if method == "HEAD":
            assert response.data == b""
        return response

    def expect(self, status: int, method: str, path: str, *args: Any, **named: Any) -> TestResponse:
        """Send one request whose answer must have *status*."""
        response = self.request(method, path, *args, **named)
        assert response.status_code == status, f"{response.status} {response.text}"
        return response

    def refused(
        self, status: int, code: str, method: str, path: str, *args: Any, **named: Any
    ) -> str:
        """Send one request that must be refused with *status* and *code*; return the message."""
        response = self.expect(status, method, path, *args, **named)
        (error,) = response.get_json()["errors"]
        assert response.content_type == "application/json; charset=utf-8"
        assert error.keys() == {"code", "message"}
        assert error["code"] == code
        return str(error["message"])

    def push_blob(self, repository: str, data: bytes, digest: str | None = None) -> str:
        """Upload a blob in one request and return its digest."""
        digest = digest or Blob("", data).digest
        self.expect(201, "POST", f"/v2/{repository}/blobs/uploads/?digest={digest}", data)
        return digest

    def push(self, repository: str, what: Image | Index | Blob, reference: str = "") -> str:
        """Push an image or an index with all it names, or a manifest alone; return its digest.

        :param reference: a tag; its digest when left out.
        """
        if isinstance(what, Index):
            for image in what.images:
                self.push(repository, image)
        if isinstance(what, Image):
            for blob in what.blobs:
                self.push_blob(repository, blob.data)
        manifest = what if isinstance(what, Blob) else what.manifest
        path = f"/v2/{repository}/manifests/{reference or manifest.digest}"
        headers = {"Content-Type": manifest.media_type}
        response = self.expect(201, "PUT", path, manifest.data, headers)
        assert response.headers["Docker-Content-Digest"] == manifest.digest
        return manifest.digest

    def start_upload(self, repository: str) -> str:
        """Begin an upload and return its location."""
        response = self.expect(202, "POST", f"/v2/{repository}/blobs/uploads/")
        return str(response.headers["Location"])


def password_of(token: str) -> str:
    """Return the password in an authorization token."""
    return base64.b64decode(token).decode().partition(":")[2]


def json_blob(media_type: str, document: Any) -> Blob:
    """Return a manifest made of *document*."""
    return Blob(media_type, json.dumps(document).encode())


class _InProcessClient:
    """A boto3 client whose requests are answered by whichever application has it now.

    Making a client takes ten milliseconds or more, so they are kept for the next test.
    """

    _idle: dict[tuple[str, ...], list[_InProcessClient]] = {}  # noqa: RUF012

    def __init__(
        self, service: str, account: str, region: str, host: str, secret: str, session_token: str
    ) -> None:
        self.key = (service, account, region, host, secret, session_token)
        self.app: App | None = None
        self.boto3 = _session().client(
            service,
            endpoint_url=f"http://{host}",
            region_name=region,
            aws_access_key_id=account,
            aws_secret_access_key=secret,
            aws_session_token=session_token or None,
            config=Config(retries={"total_max_attempts": 1}),
        )
        events = self.boto3.meta.events
        events.register("before-sign", self._take_the_time)
        events.register("before-send", self._send)

    @classmethod
    def take(cls, *key: str) -> _InProcessClient:
        idle = cls._idle.get(key)
        return idle.pop() if idle else cls(*key)

    def give_back(self) -> None:
        self.app = None
        self._idle.setdefault(self.key, []).append(self)

    def _take_the_time(self, **_: object) -> None:
        assert self.app is not None, "the application is closed"
        _signing.clock = self.app.clock

    def _send(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        _signing.clock = None
        assert self.app is not None
        url = urlsplit(request.url)
        body = request.body or b""
        response = self.app.request(
            request.method,
            (url.path or "/") + (f"?{url.query}" if url.query else ""),
            body.encode() if isinstance(body, str) else body,
            {name: _text(value) for name, value in request.headers.items()},
            host=url.netloc,
        )
        return AWSResponse(
            request.url, response.status_code, response.headers, _RawBody(response.data)
        )


class _RawBody:
    """The part of urllib3's response that botocore reads."""

    def __init__(self, data: bytes) -> None:
        self._data = BytesIO(data)
        self.read = self._data.read

    def stream(self, **_: object) -> Iterator[bytes]:
        yield self._data.read()


class _Signing(threading.local):
    """The clock of the application that the thread's next signature is for."""

    clock: SettableClock | None = None


_signing = _Signing()
_machine_time = botocore.auth.get_current_datetime


def _signing_time(*args: Any, **named: Any) -> datetime:
    if _signing.clock is None:
        return _machine_time(*args, **named)
    return _signing.clock.now()


# Signatures must bear the time of the clock that the application reads.
botocore.auth.get_current_datetime = _signing_time


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


@lru_cache(maxsize=1)
def _session() -> boto3.session.Session:
    return boto3.session.Session()


@lru_cache(maxsize=1)
def _migrated_database() -> Path:
    """Return a database with the schema in it: a copy is made faster than a migration."""
    folder = Path(tempfile.mkdtemp(prefix="ecr-emulator-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "registry.sqlite3"
    migrate.upgrade(f"sqlite:///{path}")
    return path


#: Applications that no test uses now, emptied. A new one takes as long as many a test, and has
#: to compile all its SQL again.
_idle_apps: list[App] = []
#: What a data folder holds.
_FILES = {
    "blobs",
    "clock",
    "owner",
    "uploads",
    *(f"registry.sqlite3{ending}" for ending in ("", "-wal", "-shm", ".write.lock")),
}


@pytest.fixture
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """An application with nothing in it, whose clock shows the machine's time."""
    if _idle_apps and _idle_apps[-1].make_new():
        made = _idle_apps.pop()
    else:
        made = App(tmp_path_factory.mktemp("app") / "data")
    yield made
    _idle_apps.append(made)


@pytest.fixture
def elsewhere(app: App, tmp_path: Path) -> Iterator[App]:
    """Another installation, with a secret of its own."""
    made = App(tmp_path / "elsewhere", app.clock, migrated=False)
    yield made
    made.close()


@pytest.fixture
def ecr(app: App) -> Any:
    """A boto3 client of :data:`ACCOUNT` in :data:`REGION`."""
    return app.ecr()


@pytest.fixture
def oci(app: App) -> OciCaller:
    """A caller at the OCI door with a token of :data:`ACCOUNT` in :data:`REGION`."""
    return app.oci()

"""An application with something in it, asked over bare WSGI, and watched while it answers.

Whatever is sent, each answer is checked for what holds of all: it is no 5xx, its headers are
whole, it took a bounded time, and no file was touched but the store's own.
"""

from __future__ import annotations

import os
import re
import sys
import sysconfig
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from tests.support.app import App
from tests.support.images import Image, make_image

#: Seconds of processor time that any one request may take, many times what it does.
MOST_SECONDS = 3.0
REPOSITORY = "team/app"
#: What the store's files are called, below the data folder (``blobs/filesystem.py``, SQLite).
_LAYOUT = re.compile(
    r"|blobs(/sha256(/[0-9a-f]{2}(/[0-9a-f]{64})?)?|/sha512(/[0-9a-f]{2}(/[0-9a-f]{128})?)?)?"
    r"|uploads(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})?"
    r"|registry\.sqlite3(-wal|-shm|-journal)?"
)
#: Read by Python itself, when it imports something late, and by its libraries.
_CODE = tuple(
    {*sysconfig.get_paths().values(), sys.prefix, sys.base_prefix, str(Path(__file__).parents[2])}
)
_OPEN_FOR_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


@dataclass
class Answer:
    """An answer as bytes."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    request: str = field(repr=False, default="")

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")


class World:
    """One application for many requests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        # What a path that leaves the store would find.
        outside = self.folder / "outside"
        outside.mkdir(parents=True)
        (outside / "secret").write_text("nobody's business")
        self.app = App(self.folder / "data")
        self.app.ecr().create_repository(repositoryName=REPOSITORY)
        self.image: Image = make_image()
        self.app.oci().push(REPOSITORY, self.image, "v1")
        self.token = f"Basic {self.app.token()}"
        self._before = self._files()

    def close(self) -> None:
        """Check that everything is as it should be, and stop."""
        self.app.oci().expect(200, "GET", f"/v2/{REPOSITORY}/manifests/v1")
        after = self._files()
        for path, content in self._before.items():
            assert after.get(path) == content, f"{path} was changed"
        for path in after.keys() - self._before.keys():
            assert path.startswith("data/"), f"{path} was made"
            assert _LAYOUT.fullmatch(path.removeprefix("data/")), f"{path} was made"
        self.app.close()

    def _files(self) -> dict[str, bytes]:
        found = {}
        for path in self.folder.rglob("*"):
            name = path.relative_to(self.folder).as_posix()
            if path.is_file() and not name.startswith(("data/registry.sqlite3", "data/uploads/")):
                found[name] = path.read_bytes()
        return found

    def send(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        host: str | None = "localhost:4566",
        authorization: str | None = "",
        address: str = "192.168.7.7",
    ) -> Answer:
        """Send one request and return its answer.

        :param path: decoded, a character for each byte, as a server hands it over.
        :param query: as in the URL.
        :param authorization: a good token when left empty; ``None`` for none.
        """
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "4566",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": address,
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.input_terminated": True,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        sent = dict(headers or {})
        if host is not None:
            sent.setdefault("Host", host)
        if authorization is not None:
            sent.setdefault("Authorization", authorization or self.token)
        if body:
            sent.setdefault("Content-Length", str(len(body)))
        for name, value in sent.items():
            key = name.upper().replace("-", "_")
            environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
        shown = f"{method} {path!r:.200} {query!r:.200} {sent!s:.400} {body!r:.200}"
        return self.answer(environ, shown)

    def answer(self, environ: dict[str, Any], shown: str = "") -> Answer:
        """Have a WSGI environ answered, and check what holds of every answer."""
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], *_: object) -> None:
            started.append((status, headers))

        begin = time.thread_time()
        with _watching() as touched:
            pieces: Iterable[bytes] = self.app.application(environ, start_response)
            body = b"".join(pieces)
            if hasattr(pieces, "close"):
                pieces.close()
        seconds = time.thread_time() - begin
        (status, headers) = started[-1]
        answer = Answer(int(status[:3]), headers, body, shown)
        assert answer.status < 500, f"{shown} -> {status} {body!r:.500}"
        assert seconds < MOST_SECONDS, f"{shown} took {seconds} s"
        for name, value in headers:
            assert re.fullmatch(r"[!-~]+", name), shown
            assert re.fullmatch(r"[^\r\n\0]*", value), f"{shown} -> {name}: {value!r}"
        assert b"Traceback" not in body, shown
        assert b"nobody's business" not in body, shown
        for path, writes in touched:
            self._check_path(path, writes, shown)
        return answer

    def _check_path(self, path: str, writes: bool, shown: str) -> None:
        """Check that a file which an answer took is the store's, or Python's own to read."""
        inside = os.path.relpath(path, self.folder / "data")
        if not inside.startswith(".."):
            assert _LAYOUT.fullmatch("" if inside == "." else inside), f"{shown} touched {path}"
        else:
            assert not writes, f"{shown} touched {path}"
            allowed = (*_CODE, "/proc/self", "/dev/", "/usr/share/zoneinfo")
            assert path.startswith(allowed), f"{shown} read {path}"


def refused(answer: Answer) -> None:
    """Check that an answer refuses."""
    assert 400 <= answer.status < 500, f"{answer.request} -> {answer.status} {answer.body!r:.300}"


_touched: list[tuple[str, bool]] | None = None
_hooked = False


@contextmanager
def _watching() -> Iterator[list[tuple[str, bool]]]:
    """Note which paths are touched in the block, and whether to write."""
    global _hooked, _touched
    if not _hooked:
        sys.addaudithook(_note)  # for good; but it does nothing outside of the block
        _hooked = True
    found: list[tuple[str, bool]] = []
    _touched = found
    try:
        yield found
    finally:
        _touched = None


_WRITING_EVENTS = {
    "os.mkdir": 1,
    "os.remove": 1,
    "os.rmdir": 1,
    "os.truncate": 1,
    "os.chmod": 1,
    "os.utime": 1,
    "os.rename": 2,
    "os.link": 2,
    "os.symlink": 2,
    "shutil.rmtree": 1,
}
_READING_EVENTS = {"os.listdir": 1, "os.scandir": 1, "os.chdir": 1}


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if _touched is None:
        return
    writes = True
    if event == "open":
        count, flags = 1, arguments[2] if isinstance(arguments[2], int) else 0
        writes = bool(flags & _OPEN_FOR_WRITING)
    elif event in _WRITING_EVENTS:
        count = _WRITING_EVENTS[event]
    elif event in _READING_EVENTS:
        count, writes = _READING_EVENTS[event], False
    else:
        return
    for path in arguments[:count]:
        if isinstance(path, (str, bytes, os.PathLike)):
            _touched.append((os.path.abspath(os.fsdecode(path)), writes))

"""Small WSGI applications that do one thing each to the server that runs them."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from ecr_emulator.config import Settings
from ecr_emulator.wsgi_body import BodyError, BodyReader

Environ = dict[str, Any]
Start = Callable[[str, list[tuple[str, str]]], Any]
MEBIBYTE = bytes(1024**2)


def make(settings: Settings) -> Callable[[Environ, Start], Any]:
    """Make the application that most tests use: each path is one of the functions below."""
    pages = {
        "/pid": lambda environ: str(os.getpid()),
        "/body": body,
        "/raw-body": raw_body,
        "/environ": lambda environ: json.dumps({k: str(v) for k, v in environ.items()}),
        "/sleep": sleep,
        "/work": work,
        "/spin": spin,
        "/crash": lambda environ: os._exit(3),
        "/raise": lambda environ: 1 / 0,
    }

    def application(environ: Environ, start: Start) -> Any:
        path = environ["PATH_INFO"]
        if path == "/download":
            count = int(environ["QUERY_STRING"])
            start("200 OK", [("Content-Length", str(count * len(MEBIBYTE)))])
            return (MEBIBYTE for _ in range(count))
        if path == "/breaks":
            start("200 OK", [("Content-Length", "10")] if environ["QUERY_STRING"] else [])
            return breaks()
        if path == "/inject":
            start("200 OK", [("X-One", "a\r\nX-Two: b"), ("Content-Length", "2")])
            return [b"ok"]
        if path == "/refuse":
            start("401 Unauthorized", [("Content-Length", "2")])
            return [b"no"]
        text = pages[path](environ).encode()
        start("200 OK", [("Content-Length", str(len(text)))])
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else text]

    return application


def body(environ: Environ) -> str:
    """Read the body as the emulator does, and tell what came."""
    digest = hashlib.sha256()
    reader = None
    error = None
    try:
        reader = BodyReader(environ)
        for chunk in reader:
            digest.update(chunk)
    except BodyError as caught:
        error = type(caught).__name__
    told = {
        "received": reader.received if reader else None,
        "error": error,
        "sha256": digest.hexdigest(),
        "length": environ.get("CONTENT_LENGTH"),
    }
    # The client of a broken body may be gone, so the log is told too.
    sys.stdout.write(f"body {json.dumps(told)}\n")
    sys.stdout.flush()
    return json.dumps(told)


def raw_body(environ: Environ) -> str:
    """Read the body as a trusting application would."""
    data = environ["wsgi.input"].read(65536)
    return json.dumps({"received": len(data)})


def sleep(environ: Environ) -> str:
    """Take the query's seconds."""
    time.sleep(float(environ["QUERY_STRING"]))
    return "slept"


def work(environ: Environ) -> str:
    """Work for some milliseconds, and tell who did."""
    until = time.thread_time() + 0.005
    while time.thread_time() < until:
        pass
    return str(os.getpid())


def spin(environ: Environ) -> str:
    """Never end."""
    while True:
        pass


def breaks() -> Iterator[bytes]:
    """Fail in the middle of the response's body."""
    yield b"12345"
    raise RuntimeError("in the middle")


def make_failing(settings: Settings) -> Any:
    """Fail to start, in every worker."""
    raise RuntimeError("no such luck")


def _turn(settings: Settings) -> int:
    """Return how many workers came before this one."""
    for turn in range(1000):
        try:
            (settings.data_dir / f"turn-{turn}").touch(exist_ok=False)
        except FileExistsError:
            continue
        return turn
    raise AssertionError("too many turns")


def make_failing_second(settings: Settings) -> Any:
    """Fail to start in the second worker only."""
    if _turn(settings) == 1:
        raise RuntimeError("no such luck")
    return make(settings)


def make_failing_third(settings: Settings) -> Any:
    """Fail to start in the third worker, the first replacement of two."""
    if _turn(settings) == 2:
        raise RuntimeError("no such luck")
    return make(settings)


def make_exiting(settings: Settings) -> Any:
    """Leave the process while starting."""
    raise SystemExit(0)


def make_killed(settings: Settings) -> Any:
    """Be killed while starting, as by the system that runs out of memory."""
    os.kill(os.getpid(), signal.SIGKILL)


def make_hanging(settings: Settings) -> Any:
    """Never get ready."""
    time.sleep(1000)


def make_short_lived(settings: Settings) -> Any:
    """Get ready, and die a moment later."""
    signal.setitimer(signal.ITIMER_REAL, 0.1)  # SIGALRM, whose default is to end the process
    return make(settings)


def idle_helper(ready: Callable[[], None]) -> None:
    """Help with nothing, and heed no interrupt."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.stdout.write(f"helper {os.getpid()}\n")
    sys.stdout.flush()
    ready()
    time.sleep(3600)


def dying_helper(ready: Callable[[], None]) -> None:
    """Die as soon as it is ready."""
    ready()
    time.sleep(0.1)
    os._exit(3)


def broken_helper(ready: Callable[[], None]) -> None:
    """Fail before it is ready."""
    raise RuntimeError("nothing to help with")

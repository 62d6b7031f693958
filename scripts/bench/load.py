"""The load: wrk for many small requests, processes of our own for large bodies."""

from __future__ import annotations

import hashlib
import http.client
import multiprocessing
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import TypeVar

MIB = 1024**2
#: Bytes of a commit that changes a few pages.
_COMMIT = 16 * 1024
_RATE = re.compile(r"Requests/sec:\s+([0-9.]+)")
_WRONG = re.compile(r"Non-2xx or 3xx responses: (\d+)")
#: Bytes that a client reads of a large body at once. wrk reads 8 KiB, and has a whole processor
#: busy at 2.2 GiB a second, whoever sends them.
_READ_AT_ONCE = 64 * 1024

_Job = TypeVar("_Job")
_Told = TypeVar("_Told")

#: Sends prepared requests in turn; each thread has a part of them to itself.
_LUA = """
local thread = 0
function setup(t) t:set("id", thread); thread = thread + 1 end
function init(args)
  local file = io.open(args[1], "rb")
  local threads = tonumber(args[2])
  requests, count, at = {}, 0, 0
  local number = 0
  while true do
    local size = file:read("*l")
    if size == nil then break end
    local text = file:read(tonumber(size))
    if number % threads == id then count = count + 1; requests[count] = text end
    number = number + 1
  end
end
function request() at = at % count + 1; return requests[at] end
"""


@dataclass(frozen=True)
class Prepared:
    """A request as it goes over the wire, but for the host."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""

    def wire(self) -> bytes:
        lines = [f"{self.method} {self.path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if self.body or self.method not in ("GET", "HEAD"):
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join([*lines, "", ""]).encode() + self.body


def rate(
    port: int,
    requests: list[Prepared],
    folder: Path,
    *,
    seconds: float,
    clients: int = 8,
    threads: int = 1,
) -> float:
    """Send *requests* in turn for a while; return how many were answered a second.

    Ends the whole program when an answer is no success: a wrong answer is quickly given.
    """
    printed = _wrk(port, requests, folder, seconds, clients, threads)
    return float(_match(_RATE, printed)[1])


def download_rate(port: int, request: Prepared, *, seconds: float, clients: int) -> float:
    """Read a large body again and again; return MiB a second."""
    return sum(_at_once(_download, [(port, request, seconds)] * clients))


def _download(job: tuple[int, Prepared, float]) -> float:
    port, request, seconds = job
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.connect()
    buffer, received = memoryview(bytearray(_READ_AT_ONCE)), 0
    _together.wait()
    started = time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds:
        connection.request(request.method, request.path, headers=request.headers)
        answer = connection.getresponse()
        if answer.status != 200:
            raise RuntimeError(f"{request.method} {request.path}: {answer.status}")
        while elapsed < seconds and (read := answer.readinto(buffer)):
            received += read
            elapsed = time.perf_counter() - started
    connection.close()
    return received / MIB / elapsed


def _wrk(
    port: int,
    requests: list[Prepared],
    folder: Path,
    seconds: float,
    clients: int,
    threads: int,
) -> str:
    file, script = folder / "requests", folder / "requests.lua"
    texts = [request.wire() for request in requests]
    file.write_bytes(b"".join(b"%d\n%s" % (len(text), text) for text in texts))
    script.write_text(_LUA)
    done = subprocess.run(
        [
            "wrk",
            f"-d{max(1, round(seconds))}s",
            f"-c{clients}",
            f"-t{threads}",
            "--timeout=60s",
            "-s",
            str(script),
            f"http://127.0.0.1:{port}/",
            "--",
            str(file),
            str(threads),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    wrong = _WRONG.search(done.stdout)
    if wrong is not None:
        first = requests[0]
        sys.exit(f"{first.method} {first.path} at port {port}: {wrong[1]} refusals")
    return done.stdout


def sync_rate(folder: Path, *, seconds: float) -> float:
    """Write as much as a small commit does and sync it, again and again; return how often a second.

    Who answers a write when it is on the disk cannot be faster with one client.
    """
    with (folder / "synced").open("wb", buffering=0) as file:
        started, count = time.perf_counter(), 0
        while (elapsed := time.perf_counter() - started) < seconds:
            file.seek(count % 1000 * _COMMIT)
            file.write(os.urandom(_COMMIT))
            os.fdatasync(file)
            count += 1
    return count / elapsed


def _match(pattern: re.Pattern[str], printed: str) -> re.Match[str]:
    found = pattern.search(printed)
    if found is None:
        sys.exit(f"wrk printed something else:\n{printed}")
    return found


def _at_once(work: Callable[[_Job], _Told], jobs: list[_Job]) -> list[_Told]:
    """Do each of *jobs* in a process of its own; each waits for all at :data:`_together`."""
    barrier = multiprocessing.Barrier(len(jobs))
    with multiprocessing.Pool(len(jobs), _begin, (barrier,)) as pool:
        return pool.map(work, jobs, chunksize=1)


def _begin(barrier: Barrier) -> None:
    global _together
    _together = barrier


#: Where the clients of one measurement wait until all are ready.
_together: Barrier


def upload_rate(port: int, repository: str, login: str | None, *, size: int, clients: int) -> float:
    """Upload a blob of *size* bytes by each client, as docker does; return MiB a second."""
    seconds = _at_once(_upload, [(port, repository, login, size)] * clients)
    begun = min(start for start, _ in seconds)
    ended = max(end for _, end in seconds)
    return clients * size / MIB / (ended - begun)


def _upload(job: tuple[int, str, str | None, int]) -> tuple[float, float]:
    port, repository, login, size = job
    data = memoryview(os.urandom(MIB) * (size // MIB - 1) + os.urandom(MIB))
    digest = hashlib.sha256(data).hexdigest()
    headers = {"Authorization": f"Basic {login}"} if login else {}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.connect()
    # Random bytes and their digest were made before the clock starts.
    _together.wait()
    start = time.time()
    answer = _ask(connection, 202, "POST", f"/v2/{repository}/blobs/uploads/", b"", headers)
    location = _path(answer)
    sent = {**headers, "Content-Type": "application/octet-stream"}
    location = _path(_ask(connection, 202, "PATCH", location, data, sent))
    location += ("&" if "?" in location else "?") + f"digest=sha256:{digest}"
    _ask(connection, 201, "PUT", location, b"", headers)
    return start, time.time()


def _ask(
    connection: http.client.HTTPConnection,
    status: int,
    method: str,
    path: str,
    body: bytes | memoryview,
    headers: dict[str, str],
) -> http.client.HTTPResponse:
    length = {"Content-Length": str(len(body))}
    connection.request(method, path, body, {**headers, **length})
    answer = connection.getresponse()
    told = answer.read()
    if answer.status != status:
        raise RuntimeError(f"{method} {path}: {answer.status} {told!r}")
    return answer


def _path(answer: http.client.HTTPResponse) -> str:
    location = answer.headers["Location"]
    return "/" + location.split("/", 3)[3] if location.startswith("http") else location

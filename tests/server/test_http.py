"""What the server makes of HTTP, as far as the application relies on it.

Where the server cannot be relied on, the test says so: it fails when that changes, and what
was built around it may go.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server.conftest import Serving, eventually, read_all, read_answer

Serve = Callable[..., Serving]
MIB = 1024**2
HEAD = b"%s %s HTTP/1.1\r\nHost: a\r\n"
CHUNKED = HEAD % (b"PUT", b"/body") + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server for all that leaves it as it was, in a hostile environment."""
    one = Serving(
        tmp_path_factory.mktemp("server"),
        workers=1,
        variables={
            "HTTP_X_SECRET": "from the environment",
            "HTTP_AUTHORIZATION": "from the environment",
            "CONTENT_LENGTH": "7",
            "CONTENT_TYPE": "from the environment",
            "QUERY_STRING": "from=the&environment",
            "REMOTE_USER": "from the environment",
            "HTTPS": "on",
            "HTTP_PROXY": "http://127.0.0.1:9",
        },
    )
    yield one
    one.end()


def told(serving: Serving, count: int) -> dict[str, Any]:
    """Return what the application told of the body it read after *count* others."""
    return json.loads(eventually(lambda: bodies(serving)[count:])[0])


def bodies(serving: Serving) -> list[str]:
    return re.findall(r"^body (\{.*)$", serving.log, re.MULTILINE)


# -- bodies that end too soon -----------------------------------------------------------------


def test_a_body_shorter_than_its_length_is_told(serving: Serving) -> None:
    before = len(bodies(serving))
    with serving.send(HEAD % (b"PUT", b"/body"), b"Content-Length: 10\r\n\r\nabc"):
        pass  # and the connection is closed
    assert told(serving, before)["error"] == "TruncatedBody"
    assert told(serving, before)["received"] == 3


def test_granian_itself_passes_a_short_body_off_as_whole(serving: Serving) -> None:
    with serving.send(
        HEAD % (b"PUT", b"/raw-body"), b"Content-Length: 10\r\n\r\nabc"
    ) as connection:
        connection.shutdown(1)
        assert json.loads(read_answer(connection)[2]) == {"received": 3}


@pytest.mark.parametrize(
    "rest",
    [
        pytest.param(b"3\r\nabc\r\n", id="between chunks"),
        pytest.param(b"5\r\nabc", id="within a chunk"),
        pytest.param(b"3\r\nabc\r\n0\r\n", id="before the last line"),
        pytest.param(b"3\r\nabc\r\nzz\r\n", id="a size that is none"),
    ],
)
def test_a_chunked_body_that_breaks_off_cannot_be_told(serving: Serving, rest: bytes) -> None:
    """Why nothing may take the end of a chunked body for proof: digests and lengths decide."""
    before = len(bodies(serving))
    with serving.send(CHUNKED, rest):
        pass
    assert told(serving, before)["error"] is None
    assert told(serving, before)["received"] == 3


@pytest.mark.parametrize(
    "lines",
    [
        b"Content-Length: -1\r\n",
        b"Content-Length: +3\r\n",
        b"Content-Length: 3, 3\r\n",
        b"Content-Length: 3\r\nContent-Length: 4\r\n",
        b"Content-Length: 99999999999999999999\r\n",
        b"Transfer-Encoding: chunkedd\r\n",
    ],
)
def test_lengths_that_mean_nothing_are_refused(serving: Serving, lines: bytes) -> None:
    with serving.send(HEAD % (b"PUT", b"/body"), lines, b"\r\nabcd") as connection:
        assert read_all(connection).startswith(b"HTTP/1.1 400")


def test_a_length_beside_chunks_is_dropped_with_the_connection(serving: Serving) -> None:
    """What was smuggled behind the body under the other reading is never read as a request."""
    lines = b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
    smuggled = b"3\r\nabc\r\n0\r\n\r\nGET /pid HTTP/1.1\r\nHost: a\r\n\r\n"
    with serving.send(HEAD % (b"PUT", b"/body"), lines, smuggled) as connection:
        answer = read_all(connection)
    assert answer.count(b"HTTP/1.1") == 1
    assert b'"received": 3' in answer
    assert b'"length": null' in answer


# -- bodies that come as they should ----------------------------------------------------------


def test_a_kept_connection_after_a_chunked_patch(serving: Serving) -> None:
    with serving.connect() as connection:
        for text in (b"abc", b"de"):
            size = b"%x\r\n" % len(text)
            connection.sendall(CHUNKED.replace(b"PUT", b"PATCH") + size + text + b"\r\n")
            time.sleep(0.05)
            connection.sendall(b"0\r\n\r\n")
            status, _, body = read_answer(connection)
            assert status == 200
            assert json.loads(body)["sha256"] == hashlib.sha256(text).hexdigest()
        connection.sendall(HEAD % (b"GET", b"/pid") + b"\r\n")
        assert read_answer(connection)[0] == 200


def test_continue_is_said_once_the_body_is_read(serving: Serving) -> None:
    lines = b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n"
    with serving.send(HEAD % (b"PUT", b"/body"), lines) as connection:
        said = connection.recv(100)
        assert said == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        assert json.loads(read_answer(connection)[2])["received"] == 3


def test_continue_is_not_said_where_the_answer_is_no(serving: Serving) -> None:
    lines = b"Content-Length: 1000000\r\nExpect: 100-continue\r\n\r\n"
    with serving.send(HEAD % (b"PUT", b"/refuse"), lines) as connection:
        assert read_all(connection).startswith(b"HTTP/1.1 401")


def test_an_answer_before_the_body_was_read(serving: Serving) -> None:
    """The connection is closed or goes on in step; never is a body taken for a request."""
    with serving.send(HEAD % (b"PUT", b"/refuse"), b"Content-Length: 40\r\n\r\n") as connection:
        assert read_answer(connection)[0] == 401
        connection.sendall(b"GET /pid HTTP/1.1\r\nHost: smuggled\r\n\r\n1234")
        assert b"HTTP/1.1" not in read_all_or_reset(connection)


def read_all_or_reset(connection: Any) -> bytes:
    connection.settimeout(1)
    try:
        return read_all(connection)
    except (ConnectionError, TimeoutError):
        return b""


# -- answers ----------------------------------------------------------------------------------


def test_head_keeps_the_length_and_sends_no_body(serving: Serving) -> None:
    for path in (b"/pid", b"/download?1"):
        with serving.send(HEAD % (b"HEAD", path), b"Connection: close\r\n\r\n") as connection:
            head, _, rest = read_all(connection).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        assert re.search(rb"content-length: [1-9]", head)
        assert rest == b""


def test_an_answer_that_fails_midway_is_seen_to_fail(serving: Serving) -> None:
    connection = http.client.HTTPConnection(*serving.address, timeout=10)
    connection.request("GET", "/breaks?length")
    with pytest.raises(http.client.IncompleteRead):
        connection.getresponse().read()


def test_without_a_length_an_answer_that_fails_midway_looks_whole(serving: Serving) -> None:
    """Why every answer in pieces carries its length."""
    assert serving.get("/breaks") == b"12345"


def test_an_exception_is_500_without_a_word_of_it(serving: Serving) -> None:
    with serving.send(HEAD % (b"GET", b"/raise"), b"Connection: close\r\n\r\n") as connection:
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 500")
    assert answer.endswith(b"\r\n\r\n")


def test_a_header_cannot_be_split(serving: Serving) -> None:
    with serving.send(HEAD % (b"GET", b"/inject"), b"Connection: close\r\n\r\n") as connection:
        assert b"x-two" not in read_all(connection).lower()


# -- the environ ------------------------------------------------------------------------------


def test_the_environment_is_not_taken_for_the_request(serving: Serving) -> None:
    environ = json.loads(serving.get("/environ"))
    assert "from the environment" not in environ.values()
    assert environ["QUERY_STRING"] == ""
    assert "CONTENT_LENGTH" not in environ
    assert "HTTPS" not in environ
    assert "HTTP_PROXY" not in environ
    assert environ["http_proxy"] == "http://127.0.0.1:9"  # still there for our own requests
    assert "wsgi.file_wrapper" not in environ


def test_what_the_environ_says_of_a_request(serving: Serving) -> None:
    lines = b"X-Twice: 1\r\nX-Twice: 2\r\nX-Latin: caf\xe9\r\n\r\n"
    with serving.send(HEAD % (b"GET", b"/environ?a=%20b"), lines) as connection:
        environ = json.loads(read_answer(connection)[2])
    assert environ["QUERY_STRING"] == "a=%20b"
    assert environ["HTTP_X_TWICE"] == "1,2"
    assert environ["HTTP_X_LATIN"] == ""  # a value beyond ASCII is lost, not passed on
    assert environ["HTTP_HOST"] == "a"
    assert environ["SERVER_PORT"] == str(serving.address[1])


# -- limits -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (b"X-Long: " + b"a" * 100_000 + b"\r\n", b"200"),
        (b"X-Long: " + b"a" * 1_000_000 + b"\r\n", b"431"),
        (b"".join(b"X-%d: a\r\n" % number for number in range(90)), b"200"),
        (b"".join(b"X-%d: a\r\n" % number for number in range(200)), b"431"),
    ],
    ids=["long", "too long", "many", "too many"],
)
def test_the_head_is_bounded(serving: Serving, lines: bytes, status: bytes) -> None:
    with serving.connect() as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(HEAD % (b"GET", b"/pid") + lines + b"Connection: close\r\n\r\n")
        answer = read_all_or_reset(connection)
    # What was still being sent at a refusal may have cost the answer.
    assert answer.startswith(b"HTTP/1.1 " + status) or (status == b"431" and answer == b"")


def test_slow_heads_and_idle_connections_are_closed(serve: Serve) -> None:
    serving = serve(workers=1, more={"head_timeout": 1})
    silent = serving.connect()
    slow = serving.send(b"GET /pid HTTP/1.1\r\nHos")
    used = serving.send(HEAD % (b"GET", b"/pid") + b"\r\n")
    assert read_answer(used)[0] == 200
    # A transfer that takes longer than that is none of its business.
    busy = serving.send(HEAD % (b"GET", b"/sleep?2"), b"\r\n")
    for connection in (silent, slow, used):
        assert read_all(connection) == b""
    assert read_answer(busy)[2] == b"slept"


# -- size -------------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read there")
def test_transfers_both_ways_need_no_memory(serve: Serve) -> None:
    serving = serve(workers=1)
    serving.get("/download?1")
    [worker] = serving.workers()
    before = peak(worker)

    connection = http.client.HTTPConnection(*serving.address, timeout=60)
    connection.request("GET", "/download?256")
    answer = connection.getresponse()
    received = 0
    while part := answer.read(MIB):
        received += len(part)
    assert received == 256 * MIB

    def zeros() -> Iterator[bytes]:
        for _ in range(256):
            yield bytes(MIB)

    for headers in ({"Content-Length": str(256 * MIB)}, {"Transfer-Encoding": "chunked"}):
        connection.request(
            "PUT", "/body", zeros(), headers, encode_chunked="Content-Length" not in headers
        )
        assert json.loads(connection.getresponse().read())["received"] == 256 * MIB

    # Someone who reads slowly does not make it pile up either.
    slow = [serving.send(HEAD % (b"GET", b"/download?256"), b"\r\n") for _ in range(4)]
    time.sleep(0.5)
    assert peak(worker) - before < 48 * MIB
    for one in slow:
        one.close()


def peak(pid: int) -> int:
    """Return the most memory a process ever held, in bytes."""
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1]) * 1024

"""The body reader over every shape in which a WSGI server may hand a body out."""

from __future__ import annotations

import io
import itertools
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder

from ecr_emulator.wsgi_body import (
    CHUNK,
    BadContentLength,
    BodyReader,
    BodyTooLarge,
    TruncatedBody,
    discard_rest,
)


class Trickle(io.RawIOBase):
    """An input that gives a few bytes at a time, and records what was asked for."""

    def __init__(self, data: bytes, step: int) -> None:
        self._rest = data
        self._step = step
        self.asked: list[int] = []

    def read(self, size: int = -1) -> bytes:
        self.asked.append(size)
        count = self._step if size < 0 else min(self._step, size)
        part, self._rest = self._rest[:count], self._rest[count:]
        return part


def environ(data: bytes | io.RawIOBase, length: str | None, **more: Any) -> dict[str, Any]:
    stream = io.BytesIO(data) if isinstance(data, bytes) else data
    made: dict[str, Any] = {"wsgi.input": stream, **more}
    if length is not None:
        made["CONTENT_LENGTH"] = length
    return made


def chunked(data: bytes | io.RawIOBase) -> dict[str, Any]:
    more = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    return environ(data, None, **more)


@given(st.binary(max_size=300), st.integers(1, 50), st.integers(1, 60), st.booleans())
def test_gives_every_byte_once_whatever_the_pieces(
    data: bytes, step: int, size: int, with_length: bool
) -> None:
    stream = Trickle(data, step)
    body = BodyReader(environ(stream, str(len(data))) if with_length else chunked(stream))
    parts = []
    while part := body.read(size):
        assert len(part) <= size
        parts.append(part)
    assert b"".join(parts) == data
    assert body.received == len(data)
    assert body.read(size) == b""


@given(st.binary(min_size=1, max_size=300), st.integers(1, 50), st.data())
def test_a_body_shorter_than_its_length_is_truncated(
    whole: bytes, step: int, data: st.DataObject
) -> None:
    sent = whole[: data.draw(st.integers(0, len(whole) - 1))]
    body = BodyReader(environ(Trickle(sent, step), str(len(whole))))
    with pytest.raises(TruncatedBody, match=f"{len(sent)} bytes of {len(whole)}"):
        body.read()
    assert body.received == len(sent)


def test_never_reads_past_its_own_length() -> None:
    stream = Trickle(b"mine, and the next request", 100)
    assert BodyReader(environ(stream, "4")).read() == b"mine"
    assert stream.asked == [4]


def test_iterates_in_bounded_chunks() -> None:
    data = bytes(2 * CHUNK + 1)
    assert [len(part) for part in BodyReader(chunked(data))] == [CHUNK, CHUNK, 1]


@pytest.mark.parametrize("made", [environ(b"abc", None), environ(b"abc", ""), environ(b"", "0")])
def test_no_length_and_no_promise_of_an_end_is_no_body(made: dict[str, Any]) -> None:
    body = BodyReader(made)
    assert body.length == 0
    assert body.read() == b""


@pytest.mark.parametrize(
    "length", ["-1", "+1", "1.0", "0x10", " 5", "5 ", "5,5", "abc", "\u0661", "1" * 19]
)
def test_refuses_a_length_that_is_no_number(length: str) -> None:
    with pytest.raises(BadContentLength):
        BodyReader(environ(b"abc", length))


def test_refuses_a_length_beside_a_transfer_coding() -> None:
    with pytest.raises(BadContentLength):
        BodyReader({**chunked(b"abc"), "CONTENT_LENGTH": "3"})


def test_a_declared_length_above_the_limit_is_refused_unread() -> None:
    stream = Trickle(b"abcd", 4)
    with pytest.raises(BodyTooLarge) as caught:
        BodyReader(environ(stream, "4"), limit=3)
    assert stream.asked == []
    assert caught.value.status == 413


def test_a_chunked_body_above_the_limit_is_dropped_one_byte_beyond() -> None:
    stream = Trickle(bytes(10 * CHUNK), CHUNK)
    body = BodyReader(chunked(stream), limit=1000)
    with pytest.raises(BodyTooLarge):
        body.read()
    assert body.received == 1001


@pytest.mark.parametrize("made", [environ(b"abc", "3"), chunked(b"abc")])
def test_a_body_of_exactly_the_limit_is_taken(made: dict[str, Any]) -> None:
    assert BodyReader(made, limit=3).read() == b"abc"


def test_a_break_that_the_server_reports_is_truncated() -> None:
    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise OSError("Invalid chunk header")

    with pytest.raises(TruncatedBody, match="broke off after 0 bytes"):
        BodyReader(chunked(Broken())).read()


def test_reads_what_werkzeugs_test_client_sends() -> None:
    made = EnvironBuilder(method="PUT", data=b"abc").get_environ()
    assert BodyReader(made).read() == b"abc"
    streamed = EnvironBuilder(method="PUT", input_stream=io.BytesIO(b"abc")).get_environ()
    streamed["wsgi.input_terminated"] = True
    assert BodyReader(streamed).read() == b"abc"


class Endless(io.RawIOBase):
    """A body without an end."""

    taken = 0

    def read(self, size: int = -1) -> bytes:
        self.taken += size
        return bytes(size)


def test_the_rest_of_a_refused_body_is_taken() -> None:
    stream = io.BytesIO(b"abcdef")
    made = chunked(stream)
    BodyReader(made).read(3)
    discard_rest(made, begun=True)
    assert stream.read() == b""


def test_the_rest_of_a_refused_body_is_taken_within_bounds() -> None:
    stream = Endless()
    discard_rest(chunked(stream), begun=False)
    assert stream.taken == 64 * 1024**2


def test_a_refused_body_is_not_taken_too_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = itertools.count()
    monkeypatch.setattr(time, "monotonic", lambda: next(seconds))
    stream = Endless()
    discard_rest(chunked(stream), begun=False)
    assert stream.taken == 4 * CHUNK


@pytest.mark.parametrize(("begun", "left"), [(False, b"abc"), (True, b"")])
def test_a_client_that_waits_is_not_told_to_send_what_is_refused(begun: bool, left: bytes) -> None:
    stream = io.BytesIO(b"abc")
    discard_rest({**chunked(stream), "HTTP_EXPECT": "100-continue"}, begun=begun)
    assert stream.read() == left


def test_a_body_without_an_end_of_its_own_is_left_alone() -> None:
    stream = io.BytesIO(b"abc")
    discard_rest(environ(stream, "3"), begun=False)
    assert stream.read() == b"abc"


def test_a_refused_body_that_breaks_off() -> None:
    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise OSError("Invalid chunk header")

    discard_rest(chunked(Broken()), begun=True)

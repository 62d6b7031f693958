"""The watch itself notices what it is there for."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from tests.hostile.world import World


def leave(world: World) -> None:
    (world.folder / "data" / ".." / "outside" / "secret").read_text()


def write(world: World) -> None:
    (world.folder / "elsewhere").write_text("x")
    (world.folder / "elsewhere").unlink()


def read_the_machine(world: World) -> None:
    os.listdir("/etc")


def misname(world: World) -> None:
    path = world.folder / "data" / "blobs" / "sha256" / "not-a-digest"
    path.mkdir()
    path.rmdir()


@pytest.mark.parametrize("misdeed", [leave, write, read_the_machine, misname])
def test_files_that_are_none_of_its_business(
    world: World, monkeypatch: pytest.MonkeyPatch, misdeed: Callable[[World], None]
) -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        misdeed(world)
        start_response("200 OK", [])
        return []

    monkeypatch.setattr(world.app, "application", application)
    with pytest.raises(AssertionError, match=r"touched|read"):
        world.send("GET", "/")
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        ("500 Internal Server Error", [], b""),
        ("200 OK", [("X-Split", "a\r\nb: c")], b""),
        ("200 OK", [("X Split", "a")], b""),
        ("400 Bad Request", [], b"Traceback (most recent call last)"),
        ("200 OK", [], b"nobody's business"),
    ],
)
def test_answers_that_must_not_be(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    status: str,
    headers: list[tuple[str, str]],
    body: bytes,
) -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        start_response(status, headers)
        return [body]

    monkeypatch.setattr(world.app, "application", application)
    with pytest.raises(AssertionError):
        world.send("GET", "/")
    monkeypatch.undo()

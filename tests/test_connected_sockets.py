"""The process's connections are listed without harm to its other files."""

from __future__ import annotations

import os
import socket
from contextlib import closing
from pathlib import Path

import pytest

from ecr_emulator.connected_sockets import connected_sockets
from ecr_emulator.db.engine import Database
from tests.support.locks import is_in_use

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="Linux lists them there")


def _peers() -> list[object]:
    peers = []
    for handle in connected_sockets():
        with handle:
            peers.append(handle.getpeername())
    return peers


def test_connections_alone_are_listed(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as client,
        (tmp_path / "file").open("w"),
    ):
        assert listener.getsockname() in _peers()
        # The originals are as they were.
        assert client.getpeername() == listener.getsockname()
        server, _ = listener.accept()
        with server:
            client.sendall(b"x")
            assert server.recv(1) == b"x"


def test_nothing_is_left_open() -> None:
    before = len(os.listdir("/proc/self/fd"))
    with socket.create_server(("127.0.0.1", 0)):
        _peers()
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_databases_locks_stay(tmp_path: Path) -> None:
    """Without them another process takes itself for the last one, and removes the log."""
    path = tmp_path / "test.db"
    with closing(Database(f"sqlite:///{path}")) as database:
        with database.read() as connection:
            connection.exec_driver_sql("SELECT * FROM sqlite_master").all()
        assert is_in_use(path)
        _peers()
        assert is_in_use(path)
    assert not is_in_use(path)

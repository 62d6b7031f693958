"""kill -9 of every process of a server under load; ``scripts/soak/kill_loop`` does more of it."""

from __future__ import annotations

from pathlib import Path

from tests.support.kill_loop import KillLoop


def test_what_was_acknowledged_survives_kills(tmp_path: Path) -> None:
    loop = KillLoop(tmp_path, seed=4566)
    try:
        loop.run(kills=10)
    finally:
        loop.stop()
    assert loop.kills == 10
    assert loop.acknowledged > 50

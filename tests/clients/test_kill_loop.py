"""kill -9 of every process of a server under load; ``scripts/soak/kill_loop`` does more of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.kill_loop import KillLoop


@pytest.mark.parametrize(("encryption", "kills"), [("off", 10), ("on", 4)])
def test_what_was_acknowledged_survives_kills(tmp_path: Path, encryption: str, kills: int) -> None:
    loop = KillLoop(tmp_path, seed=4566, encryption=encryption)
    try:
        loop.run(kills=kills)
    finally:
        loop.stop()
    assert loop.kills == kills
    assert loop.acknowledged > 5 * kills

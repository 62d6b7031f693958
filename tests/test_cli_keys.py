"""``ecr-emulator keys``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ecr_emulator.cli import main
from ecr_emulator.registry.encryption_keys import OWN_KEY
from tests.support.app import ACCOUNT, REGION, App
from tests.support.images import make_image

KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0b8f6d1f-3c11-4f5e-9f5e-6f0d2b0c7a2f"

Keys = Callable[..., Result]


@pytest.fixture
def app(tmp_path: Path) -> Any:
    made = App(tmp_path / "data", encryption="on")
    ecr, oci = made.ecr(), made.oci()
    ecr.create_repository(
        repositoryName="team/kms",
        encryptionConfiguration={"encryptionType": "KMS", "kmsKey": KEY},
    )
    ecr.create_repository(repositoryName="team/app")
    oci.push("team/app", make_image(), "1")
    yield made
    made.close()


@pytest.fixture
def keys(app: App) -> Keys:
    """Runs the command at the application's data folder."""

    def run(*args: str, status: int = 0) -> Result:
        command = ["keys", *args, "--data-dir", str(app.folder)]
        result = CliRunner().invoke(main, command, catch_exceptions=False)
        assert result.exit_code == status, result.output
        return result

    return run


def test_list(keys: Keys) -> None:
    lines = keys("list").output.splitlines()
    assert lines == [
        f"{OWN_KEY}\tenabled\tversion 1\tused by 1",
        f"{KEY}\tenabled\tversion 0\tused by 1",
    ]
    keys("disable", KEY)
    assert keys("list").output.splitlines()[1] == f"{KEY}\tdisabled\tversion 0\tused by 1"
    keys("enable", KEY)
    assert keys("list").output.splitlines() == lines


def test_rotate(app: App, keys: Keys) -> None:
    assert keys("rotate").output == f"{OWN_KEY}: version 2, 3 blobs wrapped anew\n"
    app.oci().push("team/kms", make_image(layers=1), "1")
    assert keys("rotate", KEY).output == f"{KEY}: version 2, 2 blobs wrapped anew\n"
    assert [line.split("\t")[2] for line in keys("list").output.splitlines()] == ["version 2"] * 2
    app.oci().expect(200, "GET", "/v2/team/kms/manifests/1")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("rotate", KEY), f"nothing is encrypted by a key {KEY}"),
        (("rotate", "none"), "nothing is encrypted by a key none"),
        (("disable", "none"), "there is no key none: no repository names it"),
        (("disable", OWN_KEY), "the store's own key cannot be disabled"),
    ],
)
def test_what_cannot_be(keys: Keys, args: tuple[str, ...], message: str) -> None:
    assert keys(*args, status=1).stderr == f"ecr-emulator: {message}\n"


def test_without_the_master_key(app: App, keys: Keys) -> None:
    (app.folder / "master.key").unlink()
    assert "the master key file cannot be read" in keys("rotate", status=1).stderr
    assert keys("list").output


def test_apply(app: App, keys: Keys) -> None:
    folder = app.folder / "blobs"
    assert keys("apply", "--encryption", "off").output == "3 blobs written anew, 3 old removed\n"
    assert not any("." in path.name for path in folder.glob("*/*/*"))
    assert keys("apply", "--encryption", "on").output == "3 blobs written anew, 3 old removed\n"
    assert all("." in path.name for path in folder.glob("*/*/*"))
    assert keys("apply", "--encryption", "on").output == "0 blobs written anew, 0 old removed\n"


def test_a_master_key_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("secret")
    for name, reason in ((path, "32 bytes"), (tmp_path / "none", "cannot be read")):
        result = CliRunner().invoke(
            main, ["serve", "--data-dir", str(tmp_path / "data"), "--master-key", str(name)]
        )
        assert result.exit_code == 2
        assert reason in result.stderr
        assert "secret" not in result.stderr

"""Settings: their three sources, their order, and the one line that a bad one gets."""

from __future__ import annotations

import contextlib
import re
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_emulator.config import SettingError, Settings, default_text, setting_info
from ecr_emulator.setting_sources import flag_name, load_settings, variable_name


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings file of the developer's own is found."""
    monkeypatch.chdir(tmp_path)


def test_defaults(tmp_path: Path) -> None:
    settings = load_settings({}, {})
    assert (settings.host, settings.port) == ("127.0.0.1", 4566)
    assert settings.data_dir == tmp_path / "data"
    assert settings.database_url == f"sqlite:///{tmp_path}/data/registry.sqlite3"
    assert 2 <= settings.workers <= 4
    assert settings.durability == "full"
    assert settings.auth == "strict"
    assert settings.default_region == "us-east-1"
    assert settings.registry_host == ""
    assert settings.strict_ecr is False
    assert settings.max_json_body == 32 * 1024**2
    assert settings.max_manifest == 4 * 1024**2
    assert settings.log_level == "info"


def test_a_flag_wins_over_a_variable_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "ecr-emulator.toml").write_text('port = 1\nhost = "::1"\nworkers = 3\n')
    variables = {"ECR_EMULATOR_PORT": "2", "ECR_EMULATOR_WORKERS": "4"}
    settings = load_settings({"port": "3", "host": None}, variables)
    assert (settings.port, settings.workers, settings.host) == (3, 4, "::1")


def test_which_file_is_read(tmp_path: Path) -> None:
    for name, port in (("ecr-emulator.toml", 1), ("variable.toml", 2), ("flag.toml", 3)):
        (tmp_path / name).write_text(f"port = {port}\n")
    named = {"ECR_EMULATOR_CONFIG": str(tmp_path / "variable.toml")}
    assert load_settings({}, {}).port == 1
    assert load_settings({}, named).port == 2
    assert load_settings({}, named, config_file=str(tmp_path / "flag.toml")).port == 3


def test_every_setting_may_stand_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "ecr-emulator.toml").write_text(
        """
        host = "0.0.0.0"
        port = 5000
        data_dir = "elsewhere"
        database_url = "postgresql://user:s3same@db/ecr"
        workers = 1
        threads = 8
        durability = "relaxed"
        auth = "permissive"
        default_region = "eu-west-1"
        registry_host = "{account}.dkr.ecr.{region}.localhost:{port}"
        strict_ecr = true
        max_json_body = "64MiB"
        max_manifest = 1048576
        log_level = "debug"
        """
    )
    assert load_settings({}, {}) == Settings(
        host="0.0.0.0",
        port=5000,
        data_dir=tmp_path / "elsewhere",
        database_url="postgresql+psycopg://user:s3same@db/ecr",
        workers=1,
        threads=8,
        durability="relaxed",
        auth="permissive",
        default_region="eu-west-1",
        registry_host="{account}.dkr.ecr.{region}.localhost:{port}",
        strict_ecr=True,
        max_json_body=64 * 1024**2,
        max_manifest=1024**2,
        log_level="debug",
    )


def test_an_empty_variable_counts_as_unset() -> None:
    assert load_settings({}, {"ECR_EMULATOR_PORT": "", "ECR_EMULATOR_CONFIG": ""}).port == 4566


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("port", "http", "is not a whole number from 0 to 65535"),
        ("port", "65536", "is not a whole number from 0 to 65535"),
        ("port", "-1", "is not a whole number from 0 to 65535"),
        ("port", "", "is not a whole number from 0 to 65535"),
        ("port", "\u0661", "is not a whole number from 0 to 65535"),
        ("port", "9" * 5000, "is not a whole number from 0 to 65535"),
        ("host", "a host", "is not an address or a host name"),
        ("host", "", "is not an address or a host name"),
        ("data_dir", "", "is not the path of a folder"),
        ("data_dir", "a\0b", "is not the path of a folder"),
        ("workers", "0", "is not a whole number from 1 to 64"),
        ("threads", "many", "is not a whole number from 1 to 1024"),
        ("durability", "Full", "is not one of full, relaxed"),
        ("auth", "none", "is not one of strict, permissive"),
        ("default_region", "US East", "is not a region's name"),
        ("registry_host", "{account", "has a brace without its partner"),
        (
            "registry_host",
            "{account.x}.localhost",
            "may name only {account}, {region}, {host}, {port}",
        ),
        ("registry_host", "{}", "may name only {account}, {region}, {host}, {port}"),
        (
            "registry_host",
            "{account:>99999999}",
            "may name only {account}, {region}, {host}, {port}",
        ),
        ("registry_host", "http://localhost", "is not a host, with or without a port"),
        ("strict_ecr", "perhaps", "is not true or false"),
        ("max_json_body", "32 pounds", "is not a size in bytes"),
        ("max_json_body", "1", "is not a size from 1024 to"),
        ("max_manifest", "1GiB", "is not a size from 1024 to 67108864 bytes"),
        ("log_level", "loud", "is not one of debug, info, warning, error"),
    ],
)
def test_a_bad_value_is_one_line_that_names_setting_and_source(
    name: str, value: str, fault: str
) -> None:
    with pytest.raises(SettingError) as caught:
        load_settings({name: value}, {})
    line = str(caught.value)
    assert line.startswith(f"setting {name} ({flag_name(name)}): ")
    assert fault in line
    assert "\n" not in line
    assert len(line) < 250
    if value:
        with pytest.raises(
            SettingError, match=re.escape(f"setting {name} ({variable_name(name)})")
        ):
            load_settings({}, {variable_name(name): value})


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("port = true", "setting port (key port of ecr-emulator.toml): True is not"),
        ("port = 80.5", "setting port (key port of ecr-emulator.toml): 80.5 is not"),
        ("strict_ecr = 1", "setting strict_ecr (key strict_ecr of ecr-emulator.toml): 1 is not"),
        ("max_manifest = true", "setting max_manifest"),
        ("host = [1]", "setting host (key host of ecr-emulator.toml): [1] is not"),
        ("prot = 1", "settings file ecr-emulator.toml: unknown key 'prot'; did you mean port?"),
        ("[server]\nport = 1", "settings file ecr-emulator.toml: unknown key 'server'"),
        ('"a\\nb" = 1', "settings file ecr-emulator.toml: unknown key 'a\\nb'"),
        ("port 1", "settings file ecr-emulator.toml (the working directory): not TOML: "),
        ("port = '\udcff'", "settings file ecr-emulator.toml (the working directory): not TOML: "),
    ],
)
def test_a_bad_file_is_one_line_that_names_it(tmp_path: Path, text: str, fault: str) -> None:
    content = text.encode(errors="surrogateescape")
    (tmp_path / "ecr-emulator.toml").write_bytes(content)
    with pytest.raises(SettingError) as caught:
        load_settings({}, {})
    assert str(caught.value).startswith(fault)
    assert "\n" not in str(caught.value)


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "no.toml", "No such file"), (tmp_path, "Is a directory")):
        fault = f"settings file {re.escape(str(path))} .%s.: {reason}"
        with pytest.raises(SettingError, match=fault % "--config"):
            load_settings({}, {}, config_file=str(path))
        with pytest.raises(SettingError, match=fault % "ECR_EMULATOR_CONFIG"):
            load_settings({}, {"ECR_EMULATOR_CONFIG": str(path)})


def test_a_password_is_repeated_nowhere() -> None:
    with pytest.raises(SettingError) as caught:
        load_settings({"database_url": "mysql://user:pa55word@db/ecr"}, {})
    assert str(caught.value) == (
        "setting database_url (--database-url): the value is not a database URL"
        " (sqlite:///path or postgresql://...)"
    )
    assert "pa55word" not in repr(Settings(database_url="postgresql://user:pa55word@db/ecr"))


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4096", 4096),
        ("4k", 4096),
        ("4KB", 4096),
        ("4 KiB", 4096),
        ("1M", 1024**2),
        ("2mib", 2 * 1024**2),
        ("2048b", 2048),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert load_settings({"max_manifest": text}, {}).max_manifest == size


@given(st.text(max_size=40))
def test_a_parser_takes_its_own_values_and_raises_nothing_unforeseen(text: str) -> None:
    for item in fields(Settings):
        parse = setting_info(item).parse
        with contextlib.suppress(ValueError):
            value = parse(text)
            assert parse(value) == value


def test_settings_check_and_convert_what_they_are_made_of(tmp_path: Path) -> None:
    assert Settings(data_dir="somewhere").data_dir == tmp_path / "somewhere"  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="setting port: 'x' is not"):
        Settings(port="x")  # type: ignore[arg-type]
    assert replace(Settings(port=0), port=8000).port == 8000


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("sqlite:///here.sqlite3", "sqlite:///here.sqlite3"),
        ("sqlite+pysqlite:////var/lib/r.sqlite3", "sqlite:////var/lib/r.sqlite3"),
        (
            "postgresql://u:p@db/ecr?sslmode=require",
            "postgresql+psycopg://u:p@db/ecr?sslmode=require",
        ),
        ("postgresql+psycopg://db/ecr", "postgresql+psycopg://db/ecr"),
    ],
)
def test_each_database_has_its_one_driver(given: str, used: str) -> None:
    assert Settings(database_url=given).database_url == used


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///", "sqlite:///?x=1", "sqlite:///:memory:", "sqlite://host"]
)
def test_a_database_without_a_file(url: str) -> None:
    with pytest.raises(SettingError, match=r"the value names no file: sqlite:///registry\.sqlite3"):
        Settings(database_url=url)


def test_every_setting_is_explained() -> None:
    for item in fields(Settings):
        info = setting_info(item)
        assert info.help.endswith(".")
        assert default_text(item)

"""The setting ``upstreams``: where registries that images are cached from are found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ecr_emulator.config import SettingError, Settings
from ecr_emulator.setting_sources import load_settings

QUAY = {"quay.io": "http://127.0.0.1:5000"}
BOTH = {**QUAY, "public.ecr.aws": "https://mirror.example/"}


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("", {}),
        ("quay.io=http://127.0.0.1:5000", QUAY),
        (" quay.io = http://127.0.0.1:5000 , public.ecr.aws=https://mirror.example/,", BOTH),
        ("quay.io=http://[::1]:5000", {"quay.io": "http://[::1]:5000"}),
    ],
)
def test_as_a_flag_or_a_variable(text: str, addresses: dict[str, str]) -> None:
    assert load_settings({"upstreams": text}, {}).upstreams == addresses
    assert load_settings({}, {"ECR_EMULATOR_UPSTREAMS": text}).upstreams == addresses


def test_as_a_table_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text('[upstreams]\n"quay.io" = "http://127.0.0.1:5000"\n')
    assert load_settings({}, {}, str(path)).upstreams == QUAY


def test_settings_that_are_made_anew_keep_it() -> None:
    assert replace(Settings(upstreams=BOTH), port=1).upstreams == BOTH


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("quay.io", "is not HOST=URL, or several of these with commas between"),
        (5, "is not a table of URLs by host"),
        ({"Quay": "http://x"}, "names an upstream registry that is no host: 'Quay'"),
        ({"quay.io": 1}, "holds for quay.io what is not a URL of scheme, host and port"),
        ("quay.io=ftp://x", "holds for quay.io what is not a URL of scheme, host and port"),
        ("quay.io=http://x/v2", "holds for quay.io what is not a URL of scheme, host and port"),
        (
            "quay.io=http://me:pass@x",
            "holds for quay.io what is not a URL of scheme, host and port",
        ),
    ],
)
def test_a_bad_value_is_told_without_what_may_be_a_password(value: object, fault: str) -> None:
    with pytest.raises(SettingError) as caught:
        Settings(upstreams=value)  # type: ignore[arg-type]
    assert str(caught.value) == f"setting upstreams: the value {fault}"

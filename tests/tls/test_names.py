"""The names in the certificate follow from the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ecr_emulator.config import Settings
from ecr_emulator.tls.names import certificate_names


def names(**settings: Any) -> set[str]:
    found = certificate_names(Settings(data_dir=Path("/nowhere"), **settings))
    assert len(found) == len(set(found))
    return set(found)


def test_local_names_are_always_there() -> None:
    found = names()
    assert found >= {"localhost", "127.0.0.1", "::1", "public.ecr.localhost"}
    assert found >= {f"*.dkr.ecr.{region}.localhost" for region in ("us-east-1", "cn-north-1")}
    assert not any("amazonaws" in name or name.endswith(".aws") for name in found)


def test_names_of_aws_only_when_asked_for() -> None:
    added = names(tls_aws_names=True) - names()
    assert added >= {
        "*.dkr.ecr.eu-west-1.amazonaws.com",
        "api.ecr.eu-west-1.amazonaws.com",
        "*.dkr.ecr.us-gov-west-1.amazonaws.com",
        "*.dkr.ecr.cn-north-1.amazonaws.com.cn",
        "api.ecr.cn-north-1.amazonaws.com.cn",
        "public.ecr.aws",
        "api.ecr-public.us-east-1.amazonaws.com",
    }
    assert "*.dkr.ecr.cn-north-1.amazonaws.com" not in added


@pytest.mark.parametrize(
    ("settings", "added"),
    [
        ({"default_region": "mars-1"}, {"*.dkr.ecr.mars-1.localhost"}),
        ({"host": "0.0.0.0"}, set()),
        ({"host": "::"}, set()),
        ({"host": "192.168.1.5"}, {"192.168.1.5"}),
        ({"host": "[fe80:0::1%eth0]"}, {"fe80::1"}),
        ({"host": "Registry.test"}, {"registry.test"}),
        ({"registry_host": "registry:4566"}, {"registry"}),
        ({"registry_host": "{host}:{port}"}, set()),
        ({"registry_host": "{account}.dkr.ecr.{region}.localhost:{port}"}, set()),
        # No certificate can stand for a part of a label, or for more than the first.
        ({"registry_host": "ecr-{account}.test"}, set()),
        ({"registry_host": "ecr.{account}.test"}, set()),
        ({"public_registry_host": "images.test:4566"}, {"images.test"}),
    ],
)
def test_names_of_the_settings(settings: dict[str, str], added: set[str]) -> None:
    assert names(**settings) - names() == added


def test_a_template_has_a_name_for_each_region() -> None:
    added = names(registry_host="{account}.{region}.test:{port}") - names()
    assert {"*.us-east-1.test", "*.eu-west-1.test"} <= added

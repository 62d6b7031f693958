"""The settings of other emulators, and which of them holds a registry."""

from __future__ import annotations

import pytest

from ecr_emulator.arns import RegistryKey
from ecr_emulator.config import SettingError, Settings
from ecr_emulator.upstreams.peers import Peers

ACCOUNT, OTHER = "111111111111", "222222222222"
ADDRESSES = {
    f"{ACCOUNT}/eu-west-1": "http://exact:1/",
    ACCOUNT: "http://account:1",
    "eu-west-1": "http://region:1",
}


@pytest.mark.parametrize(
    ("account", "region", "url"),
    [
        (ACCOUNT, "eu-west-1", "http://exact:1"),
        (ACCOUNT, "us-east-1", "http://account:1"),
        (OTHER, "eu-west-1", "http://region:1"),
        (OTHER, "us-east-1", None),
    ],
)
def test_the_closest_name_counts(account: str, region: str, url: str | None) -> None:
    given = ",".join(f"{name}={address}" for name, address in ADDRESSES.items())
    settings = Settings(replication_endpoints=given)  # type: ignore[arg-type]
    peers = Peers(settings.replication_endpoints)
    assert peers.address(RegistryKey(account, region)) == url


@pytest.mark.parametrize("name", ["1", "12345678901", f"{ACCOUNT}/", f"{ACCOUNT}/X", "a/b", ""])
def test_what_names_no_registry(name: str) -> None:
    with pytest.raises(SettingError) as caught:
        Settings(replication_endpoints={name: "http://x"})
    assert "names what is no ACCOUNT/REGION, ACCOUNT or REGION" in str(caught.value)


@pytest.mark.parametrize("key", ["secret", "id:", ":secret", "id:two words", 5])
def test_a_bad_key_is_told_without_the_secret(key: object) -> None:
    with pytest.raises(SettingError) as caught:
        Settings(peer_keys={ACCOUNT: key})  # type: ignore[dict-item]
    assert str(caught.value) == (
        f"setting peer_keys: the value holds for {ACCOUNT} what is not KEY_ID:SECRET"
    )


def test_keys_are_not_shown() -> None:
    settings = Settings(peer_keys=f"{ACCOUNT}=AKIA:se:cret=")  # type: ignore[arg-type]
    assert settings.peer_keys == {ACCOUNT: "AKIA:se:cret="}
    assert "AKIA" not in repr(settings)

"""What proves who somebody is, is compared in a time that does not tell how much is right.

What is measured on a machine shared with others says little, so it is looked at: the only way by
which each verifier tells right from wrong is ``hmac.compare_digest``.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import timedelta

import pytest

from ecr_emulator.arns import RegistryKey
from ecr_emulator.auth.credentials import (
    InvalidSessionToken,
    KnownCredentials,
    TemporaryCredentials,
)
from ecr_emulator.auth.failures import AuthenticationFailure
from ecr_emulator.auth.page_tokens import InvalidPageToken, PageTokens
from ecr_emulator.auth.principals import root_principal
from ecr_emulator.auth.sigv4 import SignatureVerifier
from ecr_emulator.auth.tokens import InvalidToken, RegistryTokens, parse_basic
from ecr_emulator.auth.urls import DownloadUrls, InvalidUrl
from ecr_emulator.clock import SettableClock
from tests.auth import signing

SECRET = b"an installation's secret"
WHO = root_principal("111111111111")
KEY = RegistryKey("111111111111", "us-east-1")


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """The outcomes of the comparisons that were made."""
    outcomes: list[bool] = []
    real = hmac.compare_digest

    def compare(given: bytes, expected: bytes) -> bool:
        assert isinstance(given, bytes)
        assert isinstance(expected, bytes)
        outcomes.append(real(given, expected))
        return outcomes[-1]

    monkeypatch.setattr(hmac, "compare_digest", compare)
    return outcomes


def changed(text: str, place: int) -> str:
    return text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]


def check(
    compared: list[bool],
    verify: Callable[[str], object],
    text: str,
    error: type[Exception],
    places: tuple[int, ...],
) -> None:
    """See that *text* verifies by comparisons alone, and that no change of it does."""
    verify(text)
    assert compared
    assert all(compared)
    for place in places:
        compared.clear()
        with pytest.raises(error):
            verify(changed(text, place))
        assert compared.count(False) == 1, place


def test_registry_tokens(compared: list[bool]) -> None:
    clock = SettableClock()
    issued = RegistryTokens(SECRET, clock).issue(WHO, KEY.account, KEY.region)
    _, password = parse_basic(f"Basic {issued.token}")

    def verify(given: str) -> object:
        # A new one each time: what was verified once is remembered.
        return RegistryTokens(SECRET, clock).verify_password(given)

    check(compared, verify, password, InvalidToken, (40, len(password) // 2))


def test_session_tokens(compared: list[bool]) -> None:
    clock = SettableClock()
    minted = TemporaryCredentials(SECRET, clock).mint(WHO, timedelta(hours=1))

    def verify(given: str) -> object:
        return TemporaryCredentials(SECRET, clock).lookup(minted.access_key_id, given)

    check(compared, verify, minted.session_token, InvalidSessionToken, (0, 20, 60))


def test_page_tokens(compared: list[bool]) -> None:
    tokens = PageTokens(SECRET)
    token = tokens.seal(("list", "app"), ["position", 5])
    check(
        compared,
        lambda given: tokens.open(("list", "app"), given),
        token,
        InvalidPageToken,
        (0, 20, 48),
    )


def test_download_links(compared: list[bool]) -> None:
    urls = DownloadUrls(SECRET, SettableClock())
    path, _, query = urls.sign("1" * 12, "us-east-1", "app", "sha256:" + "0" * 64).partition("?")
    check(
        compared,
        lambda given: urls.verify(path, given),
        query,
        InvalidUrl,
        (len(query) - 1, len(query) - 64),
    )


def test_signatures(compared: list[bool]) -> None:
    verifier = SignatureVerifier(KnownCredentials(), signing.clock())
    verifier.verify(signing.signed(), ("ecr",))
    assert compared == [True]
    compared.clear()
    with pytest.raises(AuthenticationFailure):
        verifier.verify(signing.signed(secret="wrong"), ("ecr",))
    assert compared == [False]

import base64
import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_emulator.auth.principals import Principal
from ecr_emulator.auth.tokens import (
    ExpiredToken,
    InvalidToken,
    MalformedBasicHeader,
    RegistryTokens,
    TokenClaims,
    parse_basic,
)
from ecr_emulator.clock import SettableClock

from .signing import NOW, clock

SECRET = b"an installation's secret"
ANN = Principal("123456789012", "arn:aws:iam::123456789012:user/ann", "AIDAANN")


def issue(secret: bytes = SECRET, region: str = "eu-west-1") -> str:
    """Return the password of a new token."""
    token = RegistryTokens(secret, clock()).issue(ANN, "210987654321", region).token
    return parse_basic(f"Basic {token}")[1]


def test_a_token_has_the_shape_of_those_of_ecr() -> None:
    issued = RegistryTokens(SECRET, clock()).issue(ANN, "210987654321", "eu-west-1")
    user, _, password = base64.b64decode(issued.token).decode().partition(":")
    envelope = json.loads(base64.b64decode(password))
    assert user == "AWS"
    assert list(envelope) == ["payload", "datakey", "version", "type", "expiration"]
    assert (envelope["version"], envelope["type"]) == ("2", "DATA_KEY")
    assert envelope["expiration"] == int(issued.expires_at.timestamp())
    assert issued.expires_at == NOW + timedelta(hours=12)


@pytest.mark.parametrize("service", ["ecr", "ecr-public"])
def test_any_process_of_the_installation_verifies_it(service: str) -> None:
    issued = RegistryTokens(SECRET, clock()).issue(
        ANN,
        "210987654321",
        "eu-west-1",
        service,  # type: ignore[arg-type]
    )
    user, password = parse_basic(f"Basic {issued.token}")
    assert user == "AWS"
    assert RegistryTokens(SECRET, clock()).verify_password(password) == TokenClaims(
        principal=ANN,
        registry_account="210987654321",
        region="eu-west-1",
        service=service,
        issued_at=NOW,
        expires_at=NOW + timedelta(hours=12),
    )


def test_it_ends_after_twelve_hours_also_when_remembered() -> None:
    time = SettableClock(NOW + timedelta(microseconds=700_000))
    tokens = RegistryTokens(SECRET, time)
    issued = tokens.issue(ANN, "210987654321", "eu-west-1")
    password = parse_basic(f"Basic {issued.token}")[1]
    tokens.verify_password(password)
    time.advance(timedelta(hours=12, seconds=-1))
    tokens.verify_password(password)
    time.advance(timedelta(seconds=1))
    assert time.now() >= issued.expires_at
    for verifier in (tokens, RegistryTokens(SECRET, time)):
        with pytest.raises(ExpiredToken):
            verifier.verify_password(password)


def test_a_clock_set_back_makes_it_good_again() -> None:
    time = SettableClock(NOW)
    tokens = RegistryTokens(SECRET, time)
    password = issue()
    time.advance(timedelta(hours=13))
    with pytest.raises(ExpiredToken):
        tokens.verify_password(password)
    time.advance(timedelta(hours=-13))
    assert tokens.verify_password(password).principal == ANN


def test_a_token_of_another_installation_is_invalid() -> None:
    with pytest.raises(InvalidToken):
        RegistryTokens(SECRET, clock()).verify_password(issue(b"another secret"))


def test_no_byte_can_be_changed_added_or_left_out() -> None:
    tokens = RegistryTokens(SECRET, clock())
    password = issue()
    tokens.verify_password(password)
    for at in range(len(password)):
        before, here, after = password[:at], password[at], password[at + 1 :]
        changes = [before + after, before + "A" + here + after, before + "\n" + here + after]
        changes += [before + other + after for other in "Aa0/+=-_ \n\x00é" if other != here]
        for changed in changes:
            if changed != password:
                with pytest.raises(InvalidToken):
                    tokens.verify_password(changed)


def test_neither_version_type_nor_expiration_can_be_changed() -> None:
    tokens = RegistryTokens(SECRET, clock())
    envelope = base64.b64decode(issue()).decode()
    for old, new in [
        ('"version":"2"', '"version":"3"'),
        ("DATA_KEY", "DATA-KEY"),
        ('"expiration":17', '"expiration":27'),
        ('"datakey"', '"x":1,"datakey"'),
        ("}", ',"x":1}'),
        (":", ": "),
    ]:
        changed = envelope.replace(old, new, 1)
        assert changed != envelope
        with pytest.raises(InvalidToken):
            tokens.verify_password(base64.b64encode(changed.encode()).decode())


@given(st.text() | st.binary().map(lambda b: base64.b64encode(b).decode()))
def test_garbage_is_invalid(password: str) -> None:
    with pytest.raises(InvalidToken):
        RegistryTokens(SECRET, clock()).verify_password(password)


@pytest.mark.parametrize(
    "content",
    [b"[" * 3000, b'{"payload":"' + b"A" * 2000, b'{"payload":"","datakey":"', b"\xff" * 99],
)
def test_hostile_contents_are_invalid(content: bytes) -> None:
    with pytest.raises(InvalidToken):
        RegistryTokens(SECRET, clock()).verify_password(base64.b64encode(content).decode())


def test_what_is_too_long_is_not_looked_at() -> None:
    with pytest.raises(InvalidToken):
        RegistryTokens(SECRET, clock()).verify_password("A" * 10_000_000)


def test_a_session_token_is_no_registry_token() -> None:
    from ecr_emulator.auth.credentials import TemporaryCredentials

    minted = TemporaryCredentials(SECRET, clock()).mint(ANN, timedelta(hours=1))
    with pytest.raises(InvalidToken):
        RegistryTokens(SECRET, clock()).verify_password(minted.session_token)


def basic(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (f"Basic {basic('AWS:secret')}", ("AWS", "secret")),
        (f"basic  {basic('AWS:secret')}", ("AWS", "secret")),
        (f"Basic {basic('AWS:a:b')}", ("AWS", "a:b")),
        (f"Basic {basic(':')}", ("", "")),
        (f"Basic {basic('ä:ö')}", ("ä", "ö")),
    ],
)
def test_basic_headers(header: str, expected: tuple[str, str]) -> None:
    assert parse_basic(header) == expected


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic ",
        "Bearer abc",
        f"Basic{basic('AWS:secret')}",
        f"Basic {basic('AWS')}",
        "Basic QVdTOmE",
        "Basic QVdTOmF=",
        "Basic QVdTOm*=",
        "Basic " + base64.b64encode(b"AWS:\xff").decode(),
        "Basic " + "QVdT" * 1_000_000,
        "Basic ü",
    ],
)
def test_malformed_basic_headers(header: str) -> None:
    with pytest.raises(MalformedBasicHeader):
        parse_basic(header)


@given(st.text())
def test_a_basic_header_of_anything_fails_as_typed(text: str) -> None:
    for header in (text, f"Basic {text}"):
        try:
            user, _ = parse_basic(header)
        except MalformedBasicHeader:
            continue
        assert ":" not in user

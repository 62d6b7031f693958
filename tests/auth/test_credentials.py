from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_emulator.auth.credentials import (
    AccessKey,
    ChainedCredentials,
    ExpiredSessionToken,
    InvalidSessionToken,
    KnownCredentials,
    PermissiveCredentials,
    TemporaryCredentials,
    UnknownAccessKey,
)
from ecr_emulator.auth.principals import Principal, root_principal
from ecr_emulator.clock import SettableClock

from .signing import NOW, clock

SECRET = b"an installation's secret"
ANN = Principal("123456789012", "arn:aws:iam::123456789012:user/ann", "AIDAANN")


@pytest.mark.parametrize(
    ("key_id", "secret", "account"),
    [
        ("test", "test", "000000000000"),
        ("testing", "testing", "123456789012"),
        ("210987654321", "test", "210987654321"),
        ("000000000000", "test", "000000000000"),
    ],
)
@pytest.mark.parametrize("with_token", [False, True])
def test_known_keys(key_id: str, secret: str, account: str, with_token: bool) -> None:
    key = KnownCredentials().lookup(key_id, secret if with_token else None)
    assert (key.secret, key.principal) == (secret, root_principal(account))
    assert key.session_token is None
    assert key.expires_at is None


@pytest.mark.parametrize("key_id", ["test", "testing", "210987654321"])
def test_another_token_with_a_known_key_is_invalid(key_id: str) -> None:
    with pytest.raises(InvalidSessionToken):
        KnownCredentials().lookup(key_id, "something")


@pytest.mark.parametrize(
    "key_id", ["", "Test", "tests", "12345678901", "1234567890123", "12345678901²", "١٢٣٤٥٦٧٨٩٠١٢"]
)
def test_unknown_keys(key_id: str) -> None:
    with pytest.raises(UnknownAccessKey):
        KnownCredentials().lookup(key_id, None)


def test_keys_of_a_mapping_come_first_and_have_no_token() -> None:
    source = KnownCredentials({"test": AccessKey("test", "other", ANN)})
    assert source.lookup("test", None).principal == ANN
    with pytest.raises(InvalidSessionToken):
        source.lookup("test", "other")


def test_secrets_stay_out_of_representations() -> None:
    minted = TemporaryCredentials(SECRET, clock()).mint(ANN, timedelta(hours=1))
    key = AccessKey("AKIA", "hidden-secret", ANN, "hidden-token")
    shown = repr(key) + repr(minted)
    for secret in ("hidden-secret", "hidden-token", minted.secret, minted.session_token):
        assert secret not in shown


def test_temporary_credentials_look_like_those_of_sts() -> None:
    minted = TemporaryCredentials(SECRET, clock()).mint(ANN, timedelta(hours=1))
    assert minted.access_key_id.startswith("ASIA")
    assert len(minted.access_key_id) == 20
    assert minted.access_key_id.isalnum()
    assert len(minted.secret) == 40
    assert minted.expires_at == NOW + timedelta(hours=1)


def test_temporary_credentials_are_recognised_by_any_process_of_the_installation() -> None:
    minted = TemporaryCredentials(SECRET, clock()).mint(ANN, timedelta(hours=1))
    key = TemporaryCredentials(SECRET, clock()).lookup(minted.access_key_id, minted.session_token)
    assert key == AccessKey(
        minted.access_key_id, minted.secret, ANN, minted.session_token, minted.expires_at
    )


def test_two_mints_share_nothing() -> None:
    source = TemporaryCredentials(SECRET, clock())
    one, two = (source.mint(ANN, timedelta(hours=1)) for _ in range(2))
    assert one.access_key_id != two.access_key_id
    assert one.secret != two.secret
    with pytest.raises(InvalidSessionToken):
        source.lookup(one.access_key_id, two.session_token)


def test_temporary_credentials_of_another_installation_are_invalid() -> None:
    minted = TemporaryCredentials(b"another secret", clock()).mint(ANN, timedelta(hours=1))
    with pytest.raises(InvalidSessionToken):
        TemporaryCredentials(SECRET, clock()).lookup(minted.access_key_id, minted.session_token)


def test_temporary_credentials_end_on_the_second_also_when_remembered() -> None:
    time = SettableClock(NOW)
    source = TemporaryCredentials(SECRET, time)
    minted = source.mint(ANN, timedelta(hours=1))
    time.advance(timedelta(seconds=3599))
    source.lookup(minted.access_key_id, minted.session_token)
    time.advance(timedelta(seconds=1))
    with pytest.raises(ExpiredSessionToken) as caught:
        source.lookup(minted.access_key_id, minted.session_token)
    assert caught.value.access_key.principal == ANN


@pytest.mark.parametrize("size", [0, 1, 500, 1001, 4094, 4095, 4096])
def test_tokens_are_padded_on_request(size: int) -> None:
    source = TemporaryCredentials(SECRET, clock())
    minted = source.mint(ANN, timedelta(hours=1), minimum_token_size=size)
    assert size <= len(minted.session_token) <= 4096
    assert source.lookup(minted.access_key_id, minted.session_token).principal == ANN


@pytest.mark.parametrize(
    ("key_id", "token", "error"),
    [
        ("ASIA", None, UnknownAccessKey),
        ("AKIAABCDEFGHIJKLMNOP", None, UnknownAccessKey),
        ("ASIAABCDEFGHIJKLMNOP", None, InvalidSessionToken),
        ("ASIAABCDEFGHIJKLMNOP", "", InvalidSessionToken),
        ("ASIAABCDEFGHIJKLMNOP", "AAAA", InvalidSessionToken),
        ("ASIAABCDEFGHIJKLMNOP", "A" * 100_000, InvalidSessionToken),
        ("ASIAABCDEFGHIJKLMNOP", "\ud800é", InvalidSessionToken),
    ],
)
def test_what_was_never_minted(key_id: str, token: str | None, error: type[Exception]) -> None:
    with pytest.raises(error):
        TemporaryCredentials(SECRET, clock()).lookup(key_id, token)


@given(data=st.data())
def test_a_session_token_cannot_be_changed(data: st.DataObject) -> None:
    source = TemporaryCredentials(SECRET, clock())
    minted = source.mint(ANN, timedelta(hours=1))
    token = minted.session_token
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters().filter(lambda c: c != token[at]))
    with pytest.raises(InvalidSessionToken):
        source.lookup(minted.access_key_id, token[:at] + other + token[at + 1 :])


def test_a_chain_asks_until_a_source_knows_the_key() -> None:
    temporary = TemporaryCredentials(SECRET, clock())
    chain = ChainedCredentials(KnownCredentials(), temporary)
    minted = temporary.mint(ANN, timedelta(hours=1))
    assert chain.lookup("testing", None).principal == root_principal("123456789012")
    assert chain.lookup(minted.access_key_id, minted.session_token).principal == ANN
    with pytest.raises(InvalidSessionToken):
        chain.lookup("test", "something")
    with pytest.raises(UnknownAccessKey):
        chain.lookup("AKIAIOSFODNN7EXAMPLE", None)


@pytest.mark.parametrize(
    ("key_id", "token", "account"),
    [
        ("210987654321", None, "210987654321"),
        ("210987654321", "anything", "210987654321"),
        ("testing", None, "123456789012"),
        ("testing", "anything", "123456789012"),
        ("AKIAIOSFODNN7EXAMPLE", None, "000000000000"),
        ("mock_access_key", "mock_token", "000000000000"),
        ("ASIAABCDEFGHIJKLMNOP", "of somebody else", "000000000000"),
    ],
)
def test_permissive_takes_everything(key_id: str, token: str | None, account: str) -> None:
    source = PermissiveCredentials(
        ChainedCredentials(KnownCredentials(), TemporaryCredentials(SECRET, clock()))
    )
    key = source.lookup(key_id, token)
    assert key.secret is None
    assert key.principal == root_principal(account)


def test_permissive_knows_our_own_temporary_keys_even_when_they_have_ended() -> None:
    time = SettableClock(NOW)
    temporary = TemporaryCredentials(SECRET, time)
    minted = temporary.mint(ANN, timedelta(hours=1))
    source = PermissiveCredentials(temporary)
    for _ in range(2):
        key = source.lookup(minted.access_key_id, minted.session_token)
        assert (key.secret, key.principal) == (None, ANN)
        time.advance(timedelta(hours=2))

import pytest

from ecr_emulator.auth.sealing import VerifiedCache, decode_base64, encode_base64, subkey


def test_each_purpose_and_each_secret_has_its_own_key() -> None:
    keys = {subkey(secret, purpose) for secret in (b"one", b"two") for purpose in ("a", "b")}
    assert len(keys) == 4


def test_an_empty_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        subkey(b"", "registry token")


@pytest.mark.parametrize("data", [b"", b"a", b"ab", b"abc", bytes(range(256))])
def test_base64_round_trip(data: bytes) -> None:
    assert decode_base64(encode_base64(data)) == data


@pytest.mark.parametrize(
    "text",
    ["YQ", "YQ=", "YR==", "YQ==\n", " YQ==", "Y Q==", "YQ==YQ==", "YWJ=", "-_-_", "é", "\ud800"],
)
def test_only_the_canonical_spelling_is_decoded(text: str) -> None:
    with pytest.raises(ValueError, match="base64"):
        decode_base64(text)


def test_the_cache_is_bounded_and_forgets_the_least_recently_used() -> None:
    cache: VerifiedCache[str] = VerifiedCache(2)
    first, second, third = (cache.key(text) for text in ("1", "2", "3"))
    cache.put(first, "one")
    cache.put(second, "two")
    assert cache.get(first) == "one"
    cache.put(third, "three")
    assert [cache.get(key) for key in (first, second, third)] == ["one", None, "three"]
    assert len(cache) == 2

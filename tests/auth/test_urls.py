from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_emulator.auth.urls import DownloadUrls, ExpiredUrl, InvalidUrl
from ecr_emulator.clock import SettableClock

from .signing import NOW, clock

SECRET = b"an installation's secret"
DIGEST = "sha256:" + "0a" * 32
LAYER = ("123456789012", "eu-west-1", "team/my-app_1", DIGEST)


def split(url: str) -> tuple[str, str]:
    path, _, query = url.partition("?")
    return path, query


def test_a_url_names_its_layer() -> None:
    url = DownloadUrls(SECRET, clock()).sign(*LAYER)
    path, query = split(url)
    assert path == f"/_layers/123456789012/eu-west-1/team/my-app_1/{DIGEST}"
    names = [part.split("=")[0] for part in query.split("&")]
    assert names == ["X-Amz-Algorithm", "X-Amz-Date", "X-Amz-Expires", "X-Amz-Signature"]
    assert "X-Amz-Date=20260301T120000Z&X-Amz-Expires=3600&" in query
    assert DownloadUrls(SECRET, clock()).verify(path, query) == LAYER


@pytest.mark.parametrize("expires_in", [1, 3600, 604800])
def test_it_ends_on_the_second(expires_in: int) -> None:
    time = SettableClock(NOW)
    urls = DownloadUrls(SECRET, time)
    path, query = split(urls.sign(*LAYER, expires_in=expires_in))
    time.advance(timedelta(seconds=expires_in, microseconds=-1))
    assert urls.verify(path, query) == LAYER
    time.advance(timedelta(microseconds=1))
    with pytest.raises(ExpiredUrl):
        urls.verify(path, query)


@pytest.mark.parametrize("expires_in", [-1, 0, 604801])
def test_expiry_is_bounded(expires_in: int) -> None:
    with pytest.raises(ValueError, match="expires_in"):
        DownloadUrls(SECRET, clock()).sign(*LAYER, expires_in=expires_in)


@pytest.mark.parametrize("name", ["a b", "a?b", "a\nb", "ä", "a" * 2000])
def test_names_that_no_repository_has_are_not_signed(name: str) -> None:
    with pytest.raises(ValueError, match="path"):
        DownloadUrls(SECRET, clock()).sign("123456789012", "eu-west-1", name, DIGEST)


def test_a_url_of_another_installation_is_invalid() -> None:
    path, query = split(DownloadUrls(b"another secret", clock()).sign(*LAYER))
    with pytest.raises(InvalidUrl):
        DownloadUrls(SECRET, clock()).verify(path, query)


def test_no_byte_can_be_changed_added_or_left_out() -> None:
    urls = DownloadUrls(SECRET, clock())
    url = urls.sign(*LAYER)
    for at in range(len(url)):
        before, here, after = url[:at], url[at], url[at + 1 :]
        changes = {before + after, before + "0" + here + after, before + "&" + here + after}
        changes |= {before + other + after for other in "0aA/&=?%.é\n"}
        for changed in changes - {url}:
            with pytest.raises(InvalidUrl):
                urls.verify(*split(changed))


@given(path=st.text(), query=st.text())
def test_garbage_is_invalid(path: str, query: str) -> None:
    with pytest.raises(InvalidUrl):
        DownloadUrls(SECRET, clock()).verify(path, query)


@pytest.mark.parametrize("query", ["&" * 1_000_000, "===&=&=&=", "&&&", ""])
def test_hostile_queries_are_invalid(query: str) -> None:
    with pytest.raises(InvalidUrl):
        DownloadUrls(SECRET, clock()).verify(f"/_layers/{'/'.join(LAYER)}", query)

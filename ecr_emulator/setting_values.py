"""What a setting's value may be: one parser for each kind, and its fault in words.

A parser takes what a flag, a variable or the settings file gives, and returns the setting's own
type; a value of that type it returns as it is. It raises ``ValueError`` with a text that continues
"the value ...".
"""

from __future__ import annotations

import os
import re
import string
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ecr_emulator.quotas import QUOTA_NAMES

_SIZE = re.compile(r"([0-9]{1,15}) ?([kmg]?)(?:i?b)?", re.IGNORECASE)
_SIZE_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_REGISTRY_HOST = re.compile(r"[0-9A-Za-z_.:\[\]-]{1,255}")
_TOKEN = re.compile(r"[!-~]{16,256}")
_UPSTREAM = re.compile(r"[0-9a-z.-]{1,255}")
_REGISTRY = re.compile(r"[0-9]{12}(?:/[0-9a-z-]{2,25})?|(?![0-9]+\Z)[0-9a-z-]{2,25}")
_ACCOUNT = re.compile(r"[0-9]{12}")
_ACCESS_KEY = re.compile(r"\w{1,128}:[^\s,]{1,256}", re.ASCII)
_BASE_URL = re.compile(r"https?://[0-9A-Za-z_.:\[\]-]{1,255}/?")
_HTTP_URL = r"https?://[^\s#/]{1,300}(?:/[^\s#]{0,2000})?"
_EVENT_TARGET = re.compile(
    r"file:[^\0]{1,4096}"
    rf"|{_HTTP_URL}"
    rf"|sqs:{_HTTP_URL}"
    rf"|sns:{_HTTP_URL}#arn:[a-z-]{{1,20}}:sns:[a-z0-9-]{{1,30}}:[0-9]{{12}}:[A-Za-z0-9_.-]{{1,261}}"
    rf"|eventbridge:{_HTTP_URL}(?:#[A-Za-z0-9/:._-]{{1,1600}})?"
)
_LARGEST_QUOTA = 10**9
_TEMPLATE_NAMES = ("account", "region", "host", "port")

Parser = Callable[[object], Any]


def whole_number(low: int, high: int) -> Parser:
    """A whole number from *low* to *high*, as a number or a text."""

    def parse(value: object) -> int:
        text = str(value).strip() if isinstance(value, (str, int)) else ""
        # bool is an int to Python, but `port = true` is a mistake.
        if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,18}", text):
            raise ValueError(f"is not a whole number from {low} to {high}")
        number = int(text)
        if not low <= number <= high:
            raise ValueError(f"is not a whole number from {low} to {high}")
        return number

    return parse


def one_of(*choices: str) -> Parser:
    """One of a few words."""

    def parse(value: object) -> str:
        if not isinstance(value, str) or value not in choices:
            raise ValueError(f"is not one of {', '.join(choices)}")
        return value

    return parse


def yes_no(value: object) -> bool:
    """True or false, also as 1/0, yes/no or on/off."""
    if isinstance(value, bool):
        return value
    text = value.strip().lower() if isinstance(value, str) else ""
    if text in ("1", "true", "yes", "on"):
        return True
    if text in ("0", "false", "no", "off"):
        return False
    raise ValueError("is not true or false")


def size(low: int, high: int) -> Parser:
    """A number of bytes, also as a text with a unit; units are of 1,024."""

    def parse(value: object) -> int:
        text = str(value).strip() if isinstance(value, (str, int)) else ""
        match = _SIZE.fullmatch(text)
        if isinstance(value, bool) or match is None:
            raise ValueError("is not a size in bytes (a number, or such as 512KiB, 32MiB)")
        number = int(match[1]) * _SIZE_UNITS[match[2].lower()]
        if not low <= number <= high:
            raise ValueError(f"is not a size from {low} to {high} bytes")
        return number

    return parse


def _matching(pattern: str, what: str) -> Parser:
    compiled = re.compile(pattern)

    def parse(value: object) -> str:
        if not isinstance(value, str) or compiled.fullmatch(value) is None:
            raise ValueError(f"is not {what}")
        return value

    return parse


region = _matching(r"[0-9a-z-]{2,25}", "a region's name")
address = _matching(r"[0-9A-Za-z_.:%\[\]-]{1,255}", "an address or a host name")


def folder(value: object) -> Path:
    """The absolute path of a folder, which need not be there; ``~`` is the home folder."""
    text = os.fspath(value) if isinstance(value, (str, os.PathLike)) else ""
    if not isinstance(text, str) or not text or "\0" in text:
        raise ValueError("is not the path of a folder")
    return Path(os.path.expanduser(text)).absolute()


_DATABASE_URL = re.compile(r"(sqlite|postgresql)(?:\+(?:pysqlite|psycopg))?://")


def database_url(value: object) -> str:
    """A URL of SQLite or PostgreSQL, or an empty text for the default.

    Each is reached by the one driver that the emulator is written for.
    """
    if value == "":
        return ""
    match = _DATABASE_URL.match(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("is not a database URL (sqlite:///path or postgresql://...)")
    rest = str(value)[match.end() :]
    if match[1] == "postgresql":
        return f"postgresql+psycopg://{rest}"
    path = rest.partition("?")[0]
    if not path.startswith("/") or path in ("/", "/:memory:"):
        raise ValueError(
            "names no file: sqlite:///registry.sqlite3 or, with four slashes,"
            " sqlite:////var/lib/registry.sqlite3 (what is in memory the server's processes"
            " cannot share)"
        )
    return f"sqlite://{rest}"


def any_text(value: object) -> str:
    """Any text."""
    if not isinstance(value, str):
        raise ValueError("is not a text")
    return value


def host_template(value: object) -> str:
    """A host with or without a port, where names in braces stand for their values."""
    if not isinstance(value, str):
        raise ValueError("is not a text")
    try:
        parts = list(string.Formatter().parse(value))
    except ValueError:
        raise ValueError("has a brace without its partner") from None
    for literal, name, spec, conversion in parts:
        if name is not None and (name not in _TEMPLATE_NAMES or spec or conversion):
            allowed = ", ".join("{" + known + "}" for known in _TEMPLATE_NAMES)
            raise ValueError(f"may name only {allowed}")
        if literal and _REGISTRY_HOST.fullmatch(literal) is None:
            raise ValueError("is not a host, with or without a port")
    return value


def optional_host(value: object) -> str:
    """A host with or without a port, or an empty text for none."""
    if not isinstance(value, str) or (value and _REGISTRY_HOST.fullmatch(value) is None):
        raise ValueError("is not a host, with or without a port")
    return value


def optional_token(value: object) -> str:
    """A secret that stands in a header, or an empty text for none."""
    if not isinstance(value, str) or (value and _TOKEN.fullmatch(value) is None):
        raise ValueError("is not 16 to 256 visible ASCII characters")
    return value


def upstream_addresses(value: object) -> dict[str, str]:
    """URLs by the host of the registry that they stand for."""
    found = _table(value, "HOST=URL", "URLs by host")
    for host in found:
        if _UPSTREAM.fullmatch(host) is None:
            raise ValueError(f"names an upstream registry that is no host: {shown(host)}")
    return {host: _base_url(host, url) for host, url in found.items()}


def registry_addresses(value: object) -> dict[str, str]:
    """URLs by the registries that are there: an account's in a region, or all of either."""
    found = _table(value, "REGISTRY=URL", "URLs by registry")
    for registry in found:
        if _REGISTRY.fullmatch(registry) is None:
            raise ValueError(
                f"names what is no ACCOUNT/REGION, ACCOUNT or REGION: {shown(registry)}"
            )
    return {registry: _base_url(registry, url) for registry, url in found.items()}


def account_keys(value: object) -> dict[str, str]:
    """Access key ids, each with its secret after a colon, by account."""
    found = _table(value, "ACCOUNT=KEY_ID:SECRET", "access keys by account")
    for account, key in found.items():
        if _ACCOUNT.fullmatch(account) is None:
            raise ValueError(f"names an account that is not twelve digits: {shown(account)}")
        if not isinstance(key, str) or _ACCESS_KEY.fullmatch(key) is None:
            raise ValueError(f"holds for {account} what is not KEY_ID:SECRET")
    return {account: str(key) for account, key in found.items()}


def quotas(value: object) -> dict[str, int]:
    """Numbers by the name of the quota."""
    numbers = {}
    for name, number in _table(value, "NAME=NUMBER", "numbers by quota").items():
        if name not in QUOTA_NAMES:
            raise ValueError(f"names a quota that is none of {', '.join(QUOTA_NAMES)}")
        try:
            numbers[name] = whole_number(0, _LARGEST_QUOTA)(number)
        except ValueError as error:
            raise ValueError(f"holds for {name} what {error}") from None
    return numbers


def _table(value: object, form: str, what: str) -> dict[str, object]:
    """Values by name, as a table or as a text of pairs with commas between.

    :param form: of a pair, for the fault.
    :param what: likewise of the table.
    """
    if isinstance(value, str):
        pairs = [pair.strip().partition("=") for pair in value.split(",") if pair.strip()]
        if not all(equals for _, equals, _ in pairs):
            raise ValueError(f"is not {form}, or several of these with commas between")
        return {name.strip(): item.strip() for name, _, item in pairs}
    if not isinstance(value, Mapping):
        raise ValueError(f"is not a table of {what}")
    return {str(name): item for name, item in value.items()}


def _base_url(name: str, url: object) -> str:
    if not isinstance(url, str) or _BASE_URL.fullmatch(url) is None:
        raise ValueError(f"holds for {name} what is not a URL of scheme, host and port")
    return url


def event_targets(value: object) -> tuple[str, ...]:
    """Texts that name targets of events, the paths of files made absolute."""
    if isinstance(value, str):
        texts: list[object] = [text.strip() for text in value.split(",") if text.strip()]
    elif isinstance(value, (list, tuple)):
        texts = list(value)
    else:
        raise ValueError("is not a list of targets")
    targets = []
    for text in texts:
        if not isinstance(text, str) or _EVENT_TARGET.fullmatch(text) is None:
            kinds = "file:PATH, http(s)://…, sqs:URL, sns:URL#TOPIC_ARN, eventbridge:URL[#BUS]"
            raise ValueError(f"names a target of events that is none of {kinds}")
        if text.startswith("file:"):
            text = f"file:{folder(text.removeprefix('file:'))}"
        targets.append(text)
    return tuple(targets)


def shown(value: object) -> str:
    """Show a value in one short line, whatever it holds."""
    text = ascii(value)
    return text if len(text) <= 80 else text[:77] + "..."

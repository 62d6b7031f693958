"""Vulnerabilities as OSV records tell of them, reduced to what is matched and told.

Source: OSV schema 1.7 (fields, and "Evaluation" of versions against ranges).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any

from ecr_emulator.scanning.ecosystems import Version, is_known, parse_version

_MAX_TEXT = 4000
_MAX_SHORT = 200
_MAX_REFERENCES = 25
_MAX_ALIASES = 100
_MAX_EVENTS = 5000
_MAX_VERSIONS = 20_000
_MAX_AFFECTED = 5000

INTRODUCED, FIXED, LAST_AFFECTED, LIMIT = "introduced", "fixed", "last_affected", "limit"
_EVENTS = (INTRODUCED, FIXED, LAST_AFFECTED, LIMIT)
_RANGE_TYPES = frozenset({"ECOSYSTEM", "SEMVER"})

#: An event of a range: its kind and its version.
Event = tuple[str, str]


class NotOsv(ValueError):
    """A document that is no OSV record."""


@dataclass(frozen=True, slots=True)
class Advisory:
    """What is told of a vulnerability.

    :ivar aliases: other names of the same vulnerability, or of those that the record is about.
    :ivar severities: pairs of a kind (``CVSS_V3``, ``Ubuntu``, …) and a vector or word.
    :ivar rating: the database's own word for how severe it is.
    """

    id: str
    aliases: tuple[str, ...] = ()
    summary: str = ""
    details: str = ""
    published: str = ""
    modified: str = ""
    references: tuple[str, ...] = ()
    severities: tuple[tuple[str, str], ...] = ()
    rating: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the advisory in the form in which it is stored."""
        return {name: value for name, value in asdict(self).items() if value}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Advisory:
        """Return the advisory that :meth:`to_json` wrote."""
        return cls(
            **{
                **stored,
                "aliases": tuple(stored.get("aliases", ())),
                "references": tuple(stored.get("references", ())),
                "severities": _pairs(stored.get("severities", ())),
            }
        )


@dataclass(frozen=True, slots=True)
class Affected:
    """Which versions of one package a vulnerability affects.

    :ivar ranges: the events of each range.
    :ivar versions: of a package without ranges; OSV says each version of a range there again.
    """

    ecosystem: str
    name: str
    ranges: tuple[tuple[Event, ...], ...] = ()
    versions: tuple[str, ...] = ()
    severities: tuple[tuple[str, str], ...] = ()
    rating: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return what is stored beside the ecosystem and the name."""
        stored = {name: value for name, value in asdict(self).items() if value}
        return {name: stored[name] for name in stored if name not in ("ecosystem", "name")}

    @classmethod
    def from_json(cls, ecosystem: str, name: str, stored: Mapping[str, Any]) -> Affected:
        """Return what :meth:`to_json` wrote."""
        return cls(
            ecosystem,
            name,
            ranges=tuple(_pairs(events) for events in stored.get("ranges", ())),
            versions=tuple(stored.get("versions", ())),
            severities=_pairs(stored.get("severities", ())),
            rating=stored.get("rating", ""),
        )


@dataclass(frozen=True, slots=True)
class Record:
    """An OSV record.

    :ivar affected: the packages of ecosystems that are known here.
    :ivar withdrawn: whether it is no longer thought to be a vulnerability.
    """

    advisory: Advisory
    modified_at: datetime
    affected: tuple[Affected, ...]
    withdrawn: bool


def parse_record(document: Any) -> Record:
    """Read an OSV record.

    :param document: as the JSON reader returned it.
    :raises NotOsv: it is none.
    """
    if not isinstance(document, dict):
        raise NotOsv("not an object")
    identifier = _text(document.get("id"), _MAX_SHORT)
    modified = _text(document.get("modified"), 64)
    modified_at = _time(modified)
    if not identifier or modified_at is None:
        raise NotOsv("without an id or the time of its last change")
    affected = [
        found
        for item in _list(document.get("affected"))[:_MAX_AFFECTED]
        if (found := _affected(item)) is not None
    ]
    names = [
        _text(name, _MAX_SHORT)
        for member in ("aliases", "upstream")
        for name in _list(document.get(member))
    ]
    references = [
        (item.get("type") != "ADVISORY", _text(item.get("url"), 2000))
        for item in _list(document.get("references"))
        if isinstance(item, dict)
    ]
    advisory = Advisory(
        id=identifier,
        aliases=tuple(dict.fromkeys(name for name in names if name))[:_MAX_ALIASES],
        summary=_text(document.get("summary"), _MAX_TEXT),
        details=_text(document.get("details"), _MAX_TEXT),
        published=_text(document.get("published"), 64),
        modified=modified,
        # Advisories first.
        references=tuple(url for _, url in sorted(references, key=lambda item: item[0]) if url)[
            :_MAX_REFERENCES
        ],
        severities=_severities(document.get("severity")),
        rating=_rating(document),
    )
    return Record(advisory, modified_at, tuple(affected), bool(document.get("withdrawn")))


def affects(affected: Affected, version: str) -> tuple[bool, str]:
    """Say whether a version is affected, and since which later version it no longer is.

    :returns: that version is empty where the record names none.
    """
    parsed = parse_version(affected.ecosystem, version)
    if parsed is not None:
        for events in affected.ranges:
            try:
                hit, fixed = _in_range(affected.ecosystem, events, parsed)
            except (TypeError, ValueError, AttributeError, IndexError):
                # Versions that each are one, and that the library cannot compare.
                continue
            if hit:
                return True, fixed
    return version in affected.versions, ""


def _in_range(ecosystem: str, events: Sequence[Event], version: Version) -> tuple[bool, str]:
    """Evaluate a range as the schema tells to: event after event in the order of versions."""
    limits: list[Version] = []
    turns: list[tuple[Version | None, str, str]] = []
    for kind, text in events:
        if kind == INTRODUCED and text == "0":
            turns.append((None, kind, text))
        elif kind == LIMIT and text == "*":
            continue
        else:
            parsed = parse_version(ecosystem, text)
            if parsed is None:
                return False, ""
            if kind == LIMIT:
                limits.append(parsed)
            else:
                turns.append((parsed, kind, text))
    if limits and not any(version < limit for limit in limits):
        return False, ""
    is_affected = False
    fixes: list[tuple[Version, str]] = []
    for turn, kind, text in _sorted(turns):
        if turn is None:
            is_affected = True
        elif kind == INTRODUCED:
            is_affected = is_affected or bool(version >= turn)
        elif kind == FIXED:
            if version >= turn:
                is_affected = False
            else:
                fixes.append((turn, text))
        elif version > turn:
            is_affected = False
    return is_affected, fixes[0][1] if is_affected and fixes else ""


def _sorted(
    turns: list[tuple[Version | None, str, str]],
) -> list[tuple[Version | None, str, str]]:
    """Return the events in the order of their versions; the beginning of all comes first."""
    first: list[tuple[Version | None, str, str]] = []
    others: list[tuple[Version, str, str]] = []
    for turn in turns:
        (first if turn[0] is None else others).append(turn)
    return [*first, *sorted(others, key=_version_of)]


def _version_of(turn: tuple[Version, str, str]) -> Version:
    return turn[0]


def _affected(item: Any) -> Affected | None:
    package = item.get("package") if isinstance(item, dict) else None
    if not isinstance(package, dict):
        return None
    ecosystem = _text(package.get("ecosystem"), _MAX_SHORT)
    name = _text(package.get("name"), _MAX_SHORT)
    if not name or not is_known(ecosystem):
        return None
    ranges = tuple(
        events
        for part in _list(item.get("ranges"))
        if isinstance(part, dict) and part.get("type") in _RANGE_TYPES
        if (events := _events(part.get("events")))
    )
    versions: tuple[str, ...] = ()
    if not ranges:
        texts = (_text(text, _MAX_SHORT) for text in _list(item.get("versions"))[:_MAX_VERSIONS])
        versions = tuple(text for text in texts if text)
    if not ranges and not versions:
        return None
    return Affected(
        ecosystem, name, ranges, versions, _severities(item.get("severity")), _rating(item)
    )


def _events(events: Any) -> tuple[Event, ...]:
    found: list[Event] = []
    for event in _list(events)[:_MAX_EVENTS]:
        if isinstance(event, dict):
            for kind in _EVENTS:
                text = _text(event.get(kind), _MAX_SHORT)
                if text:
                    found.append((kind, text))
    return tuple(found)


def _severities(items: Any) -> tuple[tuple[str, str], ...]:
    return tuple(
        (_text(item.get("type"), 32), _text(item.get("score"), _MAX_SHORT))
        for item in _list(items)[:10]
        if isinstance(item, dict) and item.get("type") and item.get("score")
    )


def _rating(item: Mapping[str, Any]) -> str:
    """Return the word that a database has of its own: Debian's urgency, GitHub's severity."""
    for member in ("ecosystem_specific", "database_specific"):
        specific = item.get(member)
        if isinstance(specific, dict):
            for name in ("urgency", "ubuntu_priority", "severity"):
                word = specific.get(name)
                if isinstance(word, str) and word:
                    return word[:64]
    return ""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any, limit: int) -> str:
    return value[:limit] if isinstance(value, str) else ""


def _pairs(items: Any) -> tuple[tuple[str, str], ...]:
    return tuple((first, second) for first, second in items)


def _time(text: str) -> datetime | None:
    """Read a time of RFC 3339, of which OSV has those in UTC."""
    # Python 3.10 reads neither the Z nor any number of places behind the second.
    whole, _, _ = text.removesuffix("Z").partition(".")
    try:
        return datetime.fromisoformat(whole).replace(tzinfo=timezone.utc)
    except ValueError:
        return None

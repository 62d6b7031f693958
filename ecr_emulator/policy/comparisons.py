"""The comparisons behind the condition operators: one value of the request, one of the policy.

"Condition operators" (IAM User Guide). A value that does not have the operator's form compares
equal to nothing.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import operator
import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from functools import lru_cache

_NUMBER = re.compile(r"[+-]?[0-9]{1,100}(?:\.[0-9]{1,100})?(?:[eE][+-]?[0-9]{1,3})?")
_DATE = re.compile(
    r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2})"
    r"(?:[Tt]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?"
    r"(Z|z|[+-][0-9]{2}:?[0-9]{2})?)?)?)?"
)
_EPOCH = re.compile(r"[0-9]{5,12}(?:\.[0-9]{1,9})?")
_PREFIX = re.compile(r"/[0-9]{1,3}")
_UNIX_ERA = datetime(1970, 1, 1, tzinfo=timezone.utc)

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_ORDERS: dict[str, Callable[[Decimal, Decimal], bool]] = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "LessThanEquals": operator.le,
    "GreaterThan": operator.gt,
    "GreaterThanEquals": operator.ge,
}


def numbers_compare(order: str, given: str, wanted: str) -> bool:
    """Compare two decimal numbers by *order* (``LessThan``, …): *given* is on the left."""
    left, right = _number(given), _number(wanted)
    return left is not None and right is not None and _ORDERS[order](left, right)


def dates_compare(order: str, given: str, wanted: str) -> bool:
    """Compare two dates, each in an ISO 8601 form of the W3C note or in Unix time."""
    left, right = seconds_of(given), seconds_of(wanted)
    return left is not None and right is not None and _ORDERS[order](left, right)


def booleans_equal(given: str, wanted: str) -> bool:
    """Compare ``true`` and ``false``, in any case."""
    return wanted.lower() in ("true", "false") and given.lower() == wanted.lower()


def binaries_equal(given: str, wanted: str) -> bool:
    """Compare the bytes that two base64 texts stand for."""
    left, right = _bytes(given), _bytes(wanted)
    return left is not None and left == right


def address_within(given: str, wanted: str) -> bool:
    """Tell whether the address *given* is in the CIDR range, or is the address, *wanted*."""
    address, network = _address(given), _network(wanted)
    return address is not None and network is not None and address in network


@lru_cache(maxsize=512)
def seconds_of(text: str) -> Decimal | None:
    """Return the seconds since 1970 that a date stands for, or None when it is no date.

    Four digits are a year, five and more are Unix time. A time without a zone is UTC.
    """
    if _EPOCH.fullmatch(text):
        return Decimal(text)
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        moment = datetime(
            int(year),
            int(month or 1),
            int(day or 1),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            tzinfo=timezone.utc,
        )
    except ValueError:
        return None
    elapsed = moment - _UNIX_ERA - _offset(zone)
    whole = Decimal(elapsed.days * 86_400 + elapsed.seconds)
    return whole + Decimal(f"0.{fraction}") if fraction else whole


def _offset(zone: str | None) -> timedelta:
    if zone is None or zone in "Zz":
        return timedelta(0)
    size = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
    return size if zone[0] == "+" else -size


def _number(text: str) -> Decimal | None:
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def _bytes(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _address(text: str) -> _Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    # A dual-stack listener shows an IPv4 peer as ::ffff:a.b.c.d; a policy means the former.
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


@lru_cache(maxsize=512)
def _network(text: str) -> _Network | None:
    host, slash, _ = text.partition("/")
    if slash and not _PREFIX.fullmatch(text[len(host) :]):
        return None
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None

"""What happened, shown live: ``GET /_emulator/events``.

Without ``after`` the newest events are answered. With it those behind the event with that id:
whoever asks again and again with the last ``after`` they were given misses none. With ``wait``
the answer comes when there is an event, or after so many seconds without one.
"""

from __future__ import annotations

import threading
import time

from flask import Blueprint, Response, jsonify, request

from ecr_emulator.admin.strangers import control_blueprint
from ecr_emulator.registry.event_log import EventLog

_DEFAULT_LIMIT = 100
_MAX_LIMIT = 1000
#: Seconds; and how many requests a process lets wait, as each holds one of its threads. One
#: more is answered at once, and asks again.
_MAX_WAIT = 20
_WAITING = 4
_BETWEEN_LOOKS = 0.2
_LARGEST_ID = 2**63 - 1
_FILTERS = ("account", "region", "detail-type")
_NUMBERS = {"after": _LARGEST_ID, "limit": _MAX_LIMIT, "wait": _MAX_WAIT}


def events_blueprint(log: EventLog) -> Blueprint:
    """Return the Flask route ``/_emulator/events``."""
    blueprint = control_blueprint("events", "/_emulator/events")
    turns = threading.BoundedSemaphore(_WAITING)

    @blueprint.get("")
    def events() -> Response:
        """Show events, in the order in which they happened."""
        try:
            numbers = _numbers()
        except ValueError as error:
            return _refused(str(error))
        account, region, detail_type = (request.args.get(name) for name in _FILTERS)
        after = numbers.get("after")
        until = time.monotonic() + numbers.get("wait", 0)
        has_turn = "wait" in numbers and turns.acquire(blocking=False)
        try:
            while True:
                found = log.find(
                    account=account,
                    region=region,
                    detail_type=detail_type,
                    after=after,
                    limit=numbers.get("limit", _DEFAULT_LIMIT),
                )
                if found or not has_turn or time.monotonic() >= until:
                    break
                time.sleep(_BETWEEN_LOOKS)
        finally:
            if has_turn:
                turns.release()
        last = found[-1].id if found else after or 0
        return jsonify(
            events=[{"id": event.id, "event": event.body} for event in found], after=last
        )

    return blueprint


def _numbers() -> dict[str, int]:
    """Return the numbers of the query.

    :raises ValueError: it has something that this endpoint does not take.
    """
    numbers = {}
    for name, value in request.args.items():
        if name in _FILTERS:
            continue
        if name not in _NUMBERS:
            raise ValueError(f"unknown parameter {name[:40]!r}")
        if not (value.isascii() and value.isdigit() and len(value) < 20):
            raise ValueError(f"{name} must be a number")
        if int(value) > _NUMBERS[name]:
            raise ValueError(f"{name} must be {_NUMBERS[name]} at the most")
        numbers[name] = int(value)
    if numbers.get("limit") == 0:
        raise ValueError("limit must be 1 at least")
    return numbers


def _refused(message: str) -> Response:
    response = jsonify(message=message)
    response.status_code = 400
    return response

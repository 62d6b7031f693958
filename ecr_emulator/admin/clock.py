"""The control endpoint of the emulator's time: ``/_emulator/clock``."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

from flask import Blueprint, Response, jsonify, request

from ecr_emulator.admin.strangers import control_blueprint
from ecr_emulator.movable_clock import BeyondTime, MovableClock

_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_DURATION = re.compile(
    r"(?=[0-9])(?:([0-9]{1,9})d)?(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?"
)


class BadTime(ValueError):
    """What a request says of a time cannot be understood."""


class ClockControl:
    """Moves the clock, and sees to it that the work that is queued goes along.

    :param bring_forward: makes what is queued due earlier.
    :param wake: has the queue looked at.
    """

    def __init__(
        self,
        clock: MovableClock,
        bring_forward: Callable[[timedelta], None],
        wake: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._bring_forward = bring_forward
        self._wake = wake

    def described(self) -> dict[str, Any]:
        """Return what the clock shows, as the endpoint answers it."""
        state = self._clock.state()
        return {
            "now": state.now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "offsetSeconds": round(state.offset.total_seconds(), 3),
            "frozen": state.frozen,
        }

    def move(
        self,
        *,
        to: datetime | None = None,
        by: timedelta = timedelta(),
        frozen: bool | None = None,
    ) -> None:
        """Move, stop or start the clock (see :meth:`MovableClock.move`).

        :raises BeyondTime: it cannot show that.
        """
        self._went(self._clock.move(to=to, by=by, frozen=frozen))

    def reset(self) -> None:
        """Let the clock show the machine's time again."""
        self._went(self._clock.reset())

    def _went(self, by: timedelta) -> None:
        if by < timedelta():
            # What was due in an hour is due in an hour.
            self._bring_forward(-by)
        self._wake()


def clock_blueprint(control: ClockControl) -> Blueprint:
    """Return the Flask routes below ``/_emulator/clock``."""
    blueprint = control_blueprint("clock", "/_emulator/clock")

    @blueprint.get("")
    def show() -> Response:
        """Say what time it is to the emulator."""
        return jsonify(control.described())

    @blueprint.post("")
    def advance() -> Response:
        """Let time pass: ``{"advance": "30d"}``, in seconds or as ``1d12h30m5s``."""
        return _moved(
            lambda document: control.move(by=parse_duration(document["advance"])), {"advance"}
        )

    @blueprint.put("")
    def put() -> Response:
        """Set the clock (``{"now": "2030-01-01T00:00:00Z"}``), stop or start it (``frozen``)."""

        def move(document: dict[str, Any]) -> None:
            frozen = document.get("frozen")
            if frozen is not None and not isinstance(frozen, bool):
                raise BadTime("frozen is true or false")
            to = parse_time(document["now"]) if "now" in document else None
            control.move(to=to, frozen=frozen)

        return _moved(move, {"now", "frozen"})

    @blueprint.delete("")
    def reset() -> Response:
        """Show the machine's time again."""
        control.reset()
        return jsonify(control.described())

    def _moved(move: Callable[[dict[str, Any]], None], members: set[str]) -> Response:
        document = request.get_json(force=True, silent=True)
        if not isinstance(document, dict) or not document or not document.keys() <= members:
            return _refusal(f"The body is an object of {' and '.join(sorted(members))}.")
        try:
            move(document)
        except (BadTime, BeyondTime) as error:
            return _refusal(f"{error}.")
        return jsonify(control.described())

    return blueprint


def parse_duration(value: object) -> timedelta:
    """Return a duration of 0 or more: a number of seconds, or a text as ``30d`` or ``1d12h``.

    :raises BadTime: it is none.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not 0 <= value < 10**12:
            raise BadTime("a duration is 0 seconds or more, and ends in the reach of the clock")
        return timedelta(seconds=value)
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise BadTime("a duration is a number of seconds or a text such as 30d, 12h or 1d12h30m5s")
    seconds = sum(
        int(number or 0) * unit
        for number, unit in zip(match.groups(), _UNITS.values(), strict=True)
    )
    return timedelta(seconds=seconds)


def parse_time(value: object) -> datetime:
    """Return the time that a text in ISO 8601 with a zone names.

    :raises BadTime: it names none.
    """
    try:
        if not isinstance(value, str) or len(value) > 40:
            raise ValueError
        # Python 3.10 does not know Z.
        time = datetime.fromisoformat(re.sub(r"[Zz]\Z", "+00:00", value))
        if time.tzinfo is None:
            raise ValueError
        return time.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise BadTime("a time is a text such as 2030-01-01T00:00:00Z") from None


def _refusal(message: str) -> Response:
    response = jsonify(message=message)
    response.status_code = 400
    return response

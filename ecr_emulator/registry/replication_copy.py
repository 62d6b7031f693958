"""Copying an image, and all it names, to the repository of the same name elsewhere.

What is there already stays: a copy may be made any number of times. Each image of an index is
copied by itself, before the index, so that a large one does not hold up other writers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from sqlalchemy import Connection

from ecr_emulator.arns import RegistryKey
from ecr_emulator.db.engine import Database
from ecr_emulator.registry.errors import RegistryError
from ecr_emulator.registry.images import ImageId
from ecr_emulator.registry.replication_outcomes import (
    DESTINATION_UNAVAILABLE,
    Conclude,
    Outcome,
    failure_code,
)
from ecr_emulator.registry.replication_queue import Route
from ecr_emulator.registry.replication_source import Original, ReplicationSource


class DestinationUnavailable(Exception):
    """The destination is another emulator's and does not answer now, or is busy with the same."""


class Destination(Protocol):
    """Where images are replicated to.

    Every method may raise :class:`.RegistryError`, when it is refused, and
    :class:`DestinationUnavailable`.

    :ivar announces: whether the destination itself writes the event of what arrived.
    """

    announces: bool

    def has_image(self, route: Route, digest: str) -> bool:
        """Say whether an image is there."""

    def receive(
        self,
        route: Route,
        original: Original,
        tag: str | None,
        is_wanted: Callable[[], bool],
        conclude: Callable[[Connection], None],
    ) -> None:
        """Take an image, and call *conclude* in the transaction in which it is known to be there.

        :param tag: that it was pushed with, by which the event tells of it.
        :param is_wanted: says whether it is to have the tag there; asked when nothing else can
            give the tag to an image there, or take it away, until it is done.
        """

    def receive_part(self, route: Route, original: Original) -> None:
        """Take an image of an index that is yet to come, of which nobody is told."""

    def delete(
        self, route: Route, gone: Sequence[ImageId], is_back: Callable[[ImageId], bool]
    ) -> list[ImageId]:
        """Delete images and tags; return what indexes hold up (see :class:`.ImageArrivals`)."""


#: Returns where a registry is.
DestinationOf = Callable[[RegistryKey], Destination]


class ImageCopier:
    """Copies images between registries."""

    def __init__(
        self, database: Database, source: ReplicationSource, destination_of: DestinationOf
    ) -> None:
        self._database = database
        self._source = source
        self._destination_of = destination_of

    def copy(
        self,
        route: Route,
        digest: str,
        tag: str | None,
        conclude: Conclude,
        *,
        is_wanted: Callable[[], bool],
        is_last_try: bool,
    ) -> None:
        """Copy the image *digest* along *route*, and give it *tag* there.

        A refusal is an outcome, and not an exception.

        :param conclude: called once, unless there is an exception.
        :param is_wanted: says whether the tag is the image's still.
        :param is_last_try: whether a destination that does not answer is an outcome too.
        :raises DestinationUnavailable: it is to be tried again.
        """
        destination = self._destination_of(route.destination)
        child_codes: tuple[str, ...] | None = None
        try:
            original = self._source.read(route, digest)
            if original.manifest.is_index:
                child_codes = self._copy_children(destination, route, digest)
            outcome = Outcome(None, child_codes, is_announced=destination.announces)
            destination.receive(
                route,
                original,
                tag,
                is_wanted,
                lambda connection: conclude(connection, outcome),
            )
        except RegistryError as error:
            self._fail(conclude, Outcome(failure_code(error), child_codes))
        except DestinationUnavailable:
            if not is_last_try:
                raise
            self._fail(conclude, Outcome(DESTINATION_UNAVAILABLE, child_codes))

    def _fail(self, conclude: Conclude, outcome: Outcome) -> None:
        with self._database.write() as connection:
            conclude(connection, outcome)

    def _copy_children(
        self, destination: Destination, route: Route, digest: str
    ) -> tuple[str, ...]:
        """Copy what the index *digest* lists; return why any of it failed, each reason once."""
        codes = (
            self._copy_child(destination, route, child)
            for child in self._source.children_first(route, digest)
        )
        return tuple(dict.fromkeys(code for code in codes if code is not None))

    def _copy_child(self, destination: Destination, route: Route, digest: str) -> str | None:
        """Copy an image that an index lists; return why it failed, if it did."""
        try:
            if not destination.has_image(route, digest):
                destination.receive_part(route, self._source.read(route, digest))
        except RegistryError as error:
            return failure_code(error)
        return None

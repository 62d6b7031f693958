"""The layers of an image laid over each other, for the few files that tell of packages.

Sources: OCI image specification, layer.md: whiteouts, opaque whiteouts, and what a file does to
the folder it takes the place of.

Hard links to such files are not followed: tools write the file itself into the same layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from ecr_emulator.scanning.compression import Budget, unpacked_chunks
from ecr_emulator.scanning.limits import Limits, TooLarge
from ecr_emulator.scanning.os_release import PATHS as OS_RELEASE_PATHS
from ecr_emulator.scanning.packages import (
    Distribution,
    FileFacts,
    Inventory,
    Package,
    Reader,
)
from ecr_emulator.scanning.tar_stream import DIRECTORY, REGULAR, Entry, TarStream

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_MAX_PATH = 4096


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer, and how to open its bytes."""

    digest: str
    open: Callable[[], BinaryIO]


def read_inventory(
    layers: Iterable[Layer], readers: Sequence[Reader], limits: Limits | None = None
) -> Inventory:
    """Return what is installed in the image of *layers*.

    :param layers: the lowest first.
    :raises LayerError: a layer is damaged, or packed with what cannot be unpacked here.
    :raises TooLarge: the image is larger than *limits* allow.
    """
    limits = limits or Limits()
    budget = Budget(limits)
    root = _Node()
    for layer in layers:
        with layer.open() as stream:
            changes = _read_layer(stream, root, readers, budget)
        changes.apply_to(root, layer.digest)
        if sum(len(facts.packages) for _, facts in root.files()) > limits.packages:
            raise TooLarge("The image has more packages than a scan reads.")
    return _inventory(root)


@dataclass(slots=True)
class _Node:
    """A place in the file system: what is known of it, and what is below."""

    facts: FileFacts | None = None
    children: dict[str, _Node] = field(default_factory=dict)

    def put(self, path: Sequence[str], facts: FileFacts) -> None:
        node = self
        for part in path:
            node = node.children.setdefault(part, _Node())
        node.facts = facts

    def find(self, path: Sequence[str]) -> _Node | None:
        node: _Node | None = self
        for part in path:
            if node is None:
                return None
            node = node.children.get(part)
        return node

    def remove(self, path: Sequence[str]) -> None:
        parent = self.find(path[:-1])
        if parent is not None:
            parent.children.pop(path[-1], None)

    def files(self) -> Iterator[tuple[str, FileFacts]]:
        pending = [("", self)]
        while pending:
            path, node = pending.pop()
            if node.facts is not None:
                yield path, node.facts
            pending.extend(
                (f"{path}/{name}" if path else name, child) for name, child in node.children.items()
            )


@dataclass(slots=True)
class _Changes:
    """What one layer does to those below it."""

    removed: set[tuple[str, ...]] = field(default_factory=set)
    emptied: set[tuple[str, ...]] = field(default_factory=set)
    no_files: set[tuple[str, ...]] = field(default_factory=set)
    files: dict[tuple[str, ...], FileFacts] = field(default_factory=dict)

    def apply_to(self, root: _Node, digest: str) -> None:
        before = {}
        for path in self.files:
            below = root.find(path)
            if below is not None and below.facts is not None:
                before[path] = below.facts
        for path in self.removed:
            root.remove(path)
        for path in self.emptied:
            node = root.find(path)
            if node is not None:
                node.children.clear()
        for path in self.no_files:
            node = root.find(path)
            if node is not None:
                node.facts = None
        for path, facts in self.files.items():
            root.put(path, _brought_by(digest, facts, before.get(path)))


def _brought_by(digest: str, facts: FileFacts, before: FileFacts | None) -> FileFacts:
    """Return *facts* with the layers of their packages: this one unless it was there before."""
    known = {item.identity: item.layer for item in before.packages} if before else {}
    return replace(
        facts,
        packages=tuple(
            replace(item, layer=known.get(item.identity, digest)) for item in facts.packages
        ),
    )


def _read_layer(
    stream: BinaryIO, below: _Node, readers: Sequence[Reader], budget: Budget
) -> _Changes:
    """Return what a layer changes. Only what touches anything known *below* is remembered."""
    changes = _Changes()
    archive = TarStream(unpacked_chunks(stream, budget), budget)
    for entry in archive:
        path = _split(entry.name)
        if path is None:
            continue
        name = path[-1]
        if name == _OPAQUE:
            _remember(changes.emptied, path[:-1], below)
        elif name.startswith(_WHITEOUT):
            if len(name) > len(_WHITEOUT):
                _remember(changes.removed, (*path[:-1], name[len(_WHITEOUT) :]), below)
        elif entry.kind == DIRECTORY:
            changes.files.pop(path, None)
            _remember(changes.no_files, path, below)
        else:
            # Whatever it is, it takes the place of what was there.
            _remember(changes.removed, path, below)
            changes.files.pop(path, None)
            if entry.kind == REGULAR:
                _read_file(path, entry, archive, readers, budget.limits, changes)
    return changes


def _remember(paths: set[tuple[str, ...]], path: tuple[str, ...], below: _Node) -> None:
    if below.find(path) is not None:
        paths.add(path)


def _read_file(
    path: tuple[str, ...],
    entry: Entry,
    archive: TarStream,
    readers: Sequence[Reader],
    limits: Limits,
    changes: _Changes,
) -> None:
    joined = "/".join(path)
    for reader in readers:
        if reader.wants(joined, entry):
            facts = reader.read(joined, _Content(archive, entry, limits))
            if facts != FileFacts():
                changes.files[path] = facts
            return


class _Content:
    """The content of the entry that the archive is at."""

    def __init__(self, archive: TarStream, entry: Entry, limits: Limits) -> None:
        self._archive = archive
        self._entry = entry
        self._limits = limits

    def read_all(self) -> bytes | None:
        """Return the content, or ``None`` when there is more than a scan reads of one file."""
        if self._entry.size > self._limits.file:
            return None
        return b"".join(self._archive.chunks())

    def chunks(self) -> Iterable[bytes]:
        """Yield the content."""
        return self._archive.chunks()


def _split(name: str) -> tuple[str, ...] | None:
    """Return the parts of an entry's path, or ``None`` for one that no image should have."""
    if len(name) > _MAX_PATH or "\0" in name:
        return None
    path = tuple(part for part in name.split("/") if part not in ("", "."))
    return None if not path or ".." in path else path


def _inventory(root: _Node) -> Inventory:
    packages: list[Package] = []
    distributions: dict[str, Distribution] = {}
    has_list = False
    for path, facts in root.files():
        packages.extend(facts.packages)
        has_list = has_list or facts.lists_system
        if facts.distribution is not None:
            distributions[path] = facts.distribution
    found = [distributions[path] for path in OS_RELEASE_PATHS if path in distributions]
    packages.sort(key=lambda item: (*item.identity, item.path))
    return Inventory(found[0] if found else None, tuple(packages), has_list)

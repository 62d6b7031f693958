"""OSV records read from a folder or a zip archive of JSON files, as OSV hands them out."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ecr_emulator.scanning.osv import NotOsv, Record, parse_record

#: The largest record that is read, in bytes; OSV's own largest is a tenth of that.
_MAX_RECORD = 32 * 1024**2


class CannotRead(Exception):
    """What was named as a vulnerability database is none; the text says why."""


def read_records(path: Path) -> Iterator[Record | NotOsv]:
    """Yield the records in a folder (and those below it) or in a zip archive.

    :returns: for a file that holds no record, the reason why, with the file's name.
    :raises CannotRead: *path* is neither, or cannot be read.
    """
    for name, data in _files(path):
        try:
            yield parse_record(_load(data))
        except NotOsv as error:
            yield NotOsv(f"{name}: {error}")


def _load(data: bytes | None) -> Any:
    if data is None:
        raise NotOsv("too large")
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise NotOsv("not JSON") from None


def _files(path: Path) -> Iterator[tuple[str, bytes | None]]:
    """Yield the name and the content (``None`` if it is too large) of each JSON file."""
    try:
        if path.is_dir():
            for file in sorted(path.rglob("*.json")):
                if file.is_file():
                    yield str(file), _read(file)
        elif zipfile.is_zipfile(path):
            yield from _zipped_files(path)
        elif path.suffix == ".json" and path.is_file():
            yield str(path), _read(path)
        elif path.exists():
            raise CannotRead(f"{path} is neither a folder nor a zip archive of JSON files")
        else:
            raise CannotRead(f"{path} does not exist")
    except (OSError, zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError) as error:
        raise CannotRead(f"{path}: {error}") from None


def _read(file: Path) -> bytes | None:
    with file.open("rb") as stream:
        data = stream.read(_MAX_RECORD + 1)
    return None if len(data) > _MAX_RECORD else data


def _zipped_files(path: Path) -> Iterator[tuple[str, bytes | None]]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.is_dir() or not member.filename.endswith(".json"):
                continue
            if member.file_size > _MAX_RECORD:
                yield member.filename, None
                continue
            with archive.open(member) as stream:
                data = stream.read(_MAX_RECORD + 1)
            yield member.filename, data

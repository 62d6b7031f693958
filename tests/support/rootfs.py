"""Root file systems made by hand, in the style of Debian and of Alpine, as images' layers."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Mapping, Sequence

from tests.support.images import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Blob, Image

#: What a file is: its content, or what the archive is to hold in its place.
Files = Mapping[str, "bytes | str | tarfile.TarInfo"]

DEBIAN_RELEASE = """\
PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
VERSION="12 (bookworm)"
VERSION_CODENAME=bookworm
ID=debian
HOME_URL="https://www.debian.org/"
"""
ALPINE_RELEASE = """\
NAME="Alpine Linux"
ID=alpine
VERSION_ID=3.18.4
PRETTY_NAME="Alpine Linux v3.18"
"""
UBI_RELEASE = """\
NAME="Red Hat Enterprise Linux"
VERSION="9.4 (Plow)"
ID="rhel"
ID_LIKE="fedora"
VERSION_ID="9.4"
PRETTY_NAME="Red Hat Enterprise Linux 9.4 (Plow)"
"""


def link(target: str) -> tarfile.TarInfo:
    """Return a symbolic link."""
    entry = tarfile.TarInfo()
    entry.type = tarfile.SYMTYPE
    entry.linkname = target
    return entry


def folder() -> tarfile.TarInfo:
    """Return a folder."""
    entry = tarfile.TarInfo()
    entry.type = tarfile.DIRTYPE
    entry.mode = 0o755
    return entry


def archive(files: Files, format: int = tarfile.PAX_FORMAT) -> bytes:
    """Return a tar archive of *files* in their order. Programs are those below ``bin``."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=format) as tar:
        for name, content in files.items():
            if isinstance(content, tarfile.TarInfo):
                content.name = name
                tar.addfile(content)
                continue
            data = content.encode() if isinstance(content, str) else content
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            entry.mode = 0o755 if "/bin/" in f"/{name}" else 0o644
            tar.addfile(entry, io.BytesIO(data))
    return stream.getvalue()


def packed(files: Files) -> bytes:
    """Return a layer's bytes: an archive of *files*, gzipped."""
    return gzip.compress(archive(files), compresslevel=1, mtime=0)


def image_of(*layers: Files | bytes, architecture: str = "amd64") -> Image:
    """Return an image of *layers*, the lowest first; each its files or its bytes as they are."""
    blobs = tuple(
        Blob(OCI_LAYER, layer if isinstance(layer, bytes) else packed(layer)) for layer in layers
    )
    config = {
        "architecture": architecture,
        "os": "linux",
        "author": "somebody",
        "config": {"Labels": {"unique": os.urandom(8).hex()}},
        "rootfs": {
            "type": "layers",
            "diff_ids": ["sha256:" + hashlib.sha256(blob.data).hexdigest() for blob in blobs],
        },
    }
    config_blob = Blob(OCI_CONFIG, json.dumps(config).encode())
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": config_blob.descriptor(),
        "layers": [blob.descriptor() for blob in blobs],
    }
    manifest_blob = Blob(OCI_MANIFEST, json.dumps(manifest).encode())
    return Image(manifest_blob, config_blob, blobs, architecture)


def dpkg_status(packages: Sequence[tuple[str, str, str]]) -> str:
    """Return dpkg's status file.

    :param packages: name, version and what the ``Source`` field says (empty for none) of each.
    """
    return "\n".join(
        f"Package: {name}\n"
        "Status: install ok installed\n"
        "Priority: optional\n"
        "Maintainer: Somebody <somebody@example.com>\n"
        "Architecture: amd64\n"
        + (f"Source: {source}\n" if source else "")
        + f"Version: {version}\n"
        "Conffiles:\n"
        " /etc/some.conf 0123456789abcdef\n"
        "Description: a package\n"
        " It is\n"
        " .\n"
        " Version: not this one\n"
        for name, version, source in packages
    )


def apk_installed(packages: Sequence[tuple[str, str, str]]) -> str:
    """Return apk's database.

    :param packages: name, version and origin of each.
    """
    return "\n".join(
        f"C:Q1hashhashhashhashhashhashhash=\nP:{name}\nV:{version}\nA:x86_64\nS:1000\n"
        f"T:a package\no:{origin}\nF:usr/lib\nR:lib{name}.so\na:0:0:755\n"
        for name, version, origin in packages
    )


def debian(packages: Sequence[tuple[str, str, str]]) -> Files:
    """Return the files of a Debian-style root file system."""
    return {
        "etc/": folder(),
        "etc/debian_version": "12.2\n",
        "usr/lib/os-release": DEBIAN_RELEASE,
        "etc/os-release": link("../usr/lib/os-release"),
        "var/lib/dpkg/status": dpkg_status(packages),
        "var/lib/dpkg/info/libc6.list": "/.\n",
        "usr/bin/tool": b"\x7fELF" + bytes(200_000),
    }


def alpine(packages: Sequence[tuple[str, str, str]] = (("musl", "1.2.4-r1", "musl"),)) -> Files:
    """Return the files of an Alpine-style root file system."""
    return {
        "./": folder(),
        "./etc/alpine-release": "3.18.4\n",
        "./etc/os-release": ALPINE_RELEASE,
        "./lib/apk/db/installed": apk_installed(packages),
        "./lib/apk/db/triggers": "",
    }


def go_program(version: str, modules: str, position: int = 4096) -> bytes:
    """Return what is left of a program of Go when all but its build information is zeros.

    :param position: where that is; a multiple of 16.
    """

    def with_length(data: bytes) -> bytes:
        length, prefix = len(data), b""
        while length >= 0x80:
            prefix += bytes([length & 0x7F | 0x80])
            length >>= 7
        return prefix + bytes([length]) + data

    framed = b"0w\xaf\x0c\x92t\x08\x02A\xe1\xc1\x07\xe6\xd6\x18\xe6"
    framed += modules.encode() + b"\xf92C1\x86\x18 r\x00\x82B\x10A\x16\xd8\xf2"
    info = b"\xff Go buildinf:\x08\x02".ljust(32, b"\0")
    info += with_length(version.encode()) + with_length(framed)
    return (b"\x7fELF".ljust(position, b"\0") + info).ljust(120_000, b"\0")

"""Whom to trust: public keys, by which cosign's signatures verify, and certificates.

Both are given in PEM. A certificate stands for what it issued, as the Notary Project has it, and
for its own key too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
    from cryptography.x509 import Certificate

_BLOCK = re.compile(rb"-----BEGIN ([A-Z ]{1,40})-----[^-]{1,65536}-----END \1-----")
_SUFFIXES = frozenset({".pem", ".pub", ".crt", ".cer"})
#: Files of a folder, and keys of all files together.
_MAX_FILES = 1000
_MAX_KEYS = 1000
_MAX_FILE = 1024**2
_NO_KEY = "no public key and no certificate in PEM"


class InvalidTrust(ValueError):
    """What is to be trusted cannot be read; the text is one line that says why."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Keys and certificates, each with the name by which it is told of."""

    keys: tuple[tuple[str, PublicKeyTypes], ...] = ()
    certificates: tuple[tuple[str, Certificate], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.keys)

    def __add__(self, other: Trust) -> Trust:
        return Trust(self.keys + other.keys, self.certificates + other.certificates)


def parse_trust(name: str, pem: bytes) -> Trust:
    """Return the public keys and certificates in a PEM file.

    :param name: what the file is called.
    :raises InvalidTrust: there is none, or one that cannot be read.
    """
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    keys: list[tuple[str, PublicKeyTypes]] = []
    certificates: list[tuple[str, Certificate]] = []
    for number, found in enumerate(_BLOCK.finditer(pem), start=1):
        named = name if number == 1 else f"{name}#{number}"
        if number > _MAX_KEYS:
            raise InvalidTrust(f"{name}: more than {_MAX_KEYS} keys")
        try:
            if found[1] in (b"PUBLIC KEY", b"RSA PUBLIC KEY"):
                keys.append((named, serialization.load_pem_public_key(found[0])))
            elif found[1] == b"CERTIFICATE":
                certificate = x509.load_pem_x509_certificate(found[0])
                certificates.append((named, certificate))
                keys.append((named, certificate.public_key()))
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise InvalidTrust(f"{named}: not a key or certificate that can be used") from None
    if not keys:
        raise InvalidTrust(f"{name}: {_NO_KEY}")
    return Trust(tuple(keys), tuple(certificates))


def certificate_trust(name: str, der: bytes) -> Trust:
    """Return the trust in one certificate, in DER, that was made here."""
    from cryptography import x509

    certificate = x509.load_der_x509_certificate(der)
    return Trust(((name, certificate.public_key()),), ((name, certificate),))


def read_trust(path: Path) -> Trust:
    """Return the keys and certificates of a file, or of a folder's PEM files.

    :raises InvalidTrust: something cannot be read or used.
    """
    trust = Trust()
    for name, pem in pem_files(path):
        trust += parse_trust(name, pem)
    return trust


def pem_files(path: Path) -> list[tuple[str, bytes]]:
    """Return name and content of a file, or of each of a folder's PEM files.

    :raises InvalidTrust: one cannot be read, or holds nothing to trust.
    """
    found = []
    try:
        for file in _files(path):
            if file.stat().st_size > _MAX_FILE:
                raise InvalidTrust(f"{file.name}: larger than {_MAX_FILE} bytes")
            pem = file.read_bytes()
            if _BLOCK.search(pem) is None:
                raise InvalidTrust(f"{file.name}: {_NO_KEY}")
            found.append((file.name, pem))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InvalidTrust(f"{path}: {reason}") from None
    return found


def _files(path: Path) -> Iterable[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in _SUFFIXES)
    if not files:
        raise InvalidTrust(f"{path}: no file {', '.join(sorted(_SUFFIXES))} in it")
    if len(files) > _MAX_FILES:
        raise InvalidTrust(f"{path}: more than {_MAX_FILES} files")
    return files

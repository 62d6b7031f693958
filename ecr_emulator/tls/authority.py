"""The certificate authority in the data folder, and the server's certificate that it issues.

Layout::

    tls/ca.crt        the authority's certificate: what clients are told to trust
    tls/ca.key        its key; readable by the owner alone, as is the next
    tls/server.pem    the server's key and certificate, in one file so that they change together

The two files of the authority may be one's own. Several servers can share the folder: who makes
or renews something holds the folder's lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import os
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificateIssuerPrivateKeyTypes,
    CertificatePublicKeyTypes,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ecr_emulator.clock import Clock
from ecr_emulator.tls.names import is_address

#: How long a certificate has to be good for when it is taken into use; with less, it is renewed.
RENEW_BEFORE = timedelta(days=60)
_AUTHORITY_LIFETIME = timedelta(days=3650)
#: The longest that browsers and Apple's systems accept is 398.
_SERVER_LIFETIME = timedelta(days=397)
#: Clients whose clocks are behind ours accept a new certificate too.
_BACKDATED = timedelta(days=1)


class CertificateError(Exception):
    """The authority or the certificate cannot be read or made; the text is one line."""


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """What the server shows to its clients.

    :ivar path: a PEM file with the key and the certificate.
    :ivar names: the host names and addresses it is for.
    """

    path: Path
    names: tuple[str, ...]
    not_after: datetime


@dataclass(frozen=True, slots=True)
class _Authority:
    certificate: x509.Certificate
    key: CertificateIssuerPrivateKeyTypes


class CertificateFolder:
    """The authority and the server's certificate below *data_dir*."""

    def __init__(self, data_dir: Path, clock: Clock) -> None:
        self._folder = data_dir / "tls"
        self._clock = clock
        self.authority_path = self._folder / "ca.crt"
        self._authority_key_path = self._folder / "ca.key"
        self._server_path = self._folder / "server.pem"

    def ensure(self, names: Iterable[str]) -> ServerCertificate:
        """Return a certificate for all of *names*, good for 60 days at least.

        The one in the folder is kept if it is that; otherwise a new one is issued. So is an
        authority, where there is none or its time is over.

        :raises CertificateError: the folder cannot be used, or holds what is no certificate.
        """
        wanted = tuple(names)
        try:
            with self._locked():
                authority = self._authority()
                return self._server(authority, wanted) or self._issue(authority, wanted)
        except OSError as error:
            raise CertificateError(f"{error.filename or self._folder}: {error.strerror}") from None

    def fingerprint(self) -> str:
        """Return the SHA-256 fingerprint of the authority's certificate, as openssl shows it.

        :raises CertificateError: there is none.
        """
        return _load(self.authority_path).fingerprint(hashes.SHA256()).hex(":").upper()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _good(self, certificate: x509.Certificate) -> bool:
        now = self._clock.now()
        return (
            certificate.not_valid_before_utc <= now
            and now + RENEW_BEFORE <= certificate.not_valid_after_utc
        )

    def _authority(self) -> _Authority:
        """Return the authority in the folder, or a new one."""
        if self.authority_path.exists() and self._authority_key_path.exists():
            certificate = _load(self.authority_path)
            key = _load_key(self._authority_key_path)
            if certificate.public_key() != key.public_key():
                raise CertificateError(
                    f"{self.authority_path} and {self._authority_key_path.name} do not belong"
                    " together; without both, new ones are made"
                )
            if self._good(certificate):
                return _Authority(certificate, key)
        return self._new_authority()

    def _new_authority(self) -> _Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        now = self._clock.now()
        # The name tells authorities apart that one machine may have trusted over time.
        name = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "ecr-emulator"),
                x509.NameAttribute(
                    NameOID.COMMON_NAME, f"ecr-emulator CA {now:%Y-%m-%d} {uuid.uuid4().hex[:8]}"
                ),
            ]
        )
        certificate = (
            _builder(name, name, key.public_key(), now, now + _AUTHORITY_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        # The key first: a certificate is never trusted that nothing can be issued by.
        _write(self._authority_key_path, _key_text(key), 0o600)
        _write(self.authority_path, _text(certificate), 0o644)
        return _Authority(certificate, key)

    def _server(self, authority: _Authority, wanted: tuple[str, ...]) -> ServerCertificate | None:
        """Return the certificate in the folder, if it can be used."""
        if not self._server_path.exists():
            return None
        certificate = _load(self._server_path)
        names = _names(certificate)
        try:
            certificate.verify_directly_issued_by(authority.certificate)
        except (InvalidSignature, ValueError, TypeError):  # another authority's
            return None
        if not self._good(certificate) or not set(wanted) <= set(names):
            return None
        return ServerCertificate(self._server_path, names, certificate.not_valid_after_utc)

    def _issue(self, authority: _Authority, names: tuple[str, ...]) -> ServerCertificate:
        key = ec.generate_private_key(ec.SECP256R1())
        now = self._clock.now()
        end = min(now + _SERVER_LIFETIME, authority.certificate.not_valid_after_utc)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ecr-emulator")])
        certificate = (
            _builder(authority.certificate.subject, subject, key.public_key(), now, end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.SubjectAlternativeName([_general_name(name) for name in names]),
                critical=False,
            )
            .add_extension(_authority_identifier(authority.certificate), critical=False)
            .sign(authority.key, _signature_hash(authority.key))
        )
        _write(self._server_path, _key_text(key) + _text(certificate), 0o600)
        return ServerCertificate(self._server_path, names, certificate.not_valid_after_utc)


def _builder(
    issuer: x509.Name,
    subject: x509.Name,
    key: CertificatePublicKeyTypes,
    now: datetime,
    end: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _authority_identifier(authority: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    try:
        own = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:  # an authority of somebody else's making
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key())  # type: ignore[arg-type]
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own.value)


def _signature_hash(key: CertificateIssuerPrivateKeyTypes) -> hashes.SHA256 | None:
    """Return the hash to sign with; keys of the Edwards curves bring their own."""
    return hashes.SHA256() if hasattr(key, "key_size") else None


def _general_name(name: str) -> x509.GeneralName:
    return x509.IPAddress(ipaddress.ip_address(name)) if is_address(name) else x509.DNSName(name)


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return tuple(str(name.value) for name in found.value)


def _load(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        raise CertificateError(f"{path}: {error.strerror}") from None
    except ValueError:
        raise CertificateError(f"{path}: not a certificate in PEM") from None


def _load_key(path: Path) -> CertificateIssuerPrivateKeyTypes:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError):  # TypeError: it has a password
        raise CertificateError(f"{path}: not a private key in PEM without a password") from None
    if not hasattr(key, "sign"):
        raise CertificateError(f"{path}: a key that cannot sign")
    return key  # type: ignore[return-value]


def _text(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_text(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write(path: Path, data: bytes, mode: int) -> None:
    """Put a file in place of another at once, readable by whom *mode* says from its beginning."""
    draft = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with open(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise

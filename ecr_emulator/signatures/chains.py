"""Chains of certificates, from a signer's to a trusted one.

Source: Notary Project specifications, "Certificate requirements"; RFC 5280, section 6.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ecr_emulator.signatures.trust import Trust
from ecr_emulator.signatures.verdicts import NotVerified

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_UNTRUSTED = "The signature's certificate is not trusted: {}."


def verified_chain(chain: Sequence[Certificate], trust: Trust, at: datetime) -> str:
    """Return the name of the trusted certificate that a chain leads to.

    :param chain: the signer's certificate first; there is one at least.
    :param at: when each of them must be valid.
    :raises NotVerified: it leads to none, or is not valid.
    :raises ValueError: or another of the library's: a part of a certificate cannot be read.
    """
    _check_signer(chain[0])
    for number, certificate in enumerate(chain):
        _check_time(certificate, at)
        for name, trusted in trust.certificates:
            if trusted == certificate:
                return name
        issuer = chain[number + 1] if number + 1 < len(chain) else None
        if issuer is not None and not _issued(issuer, certificate):
            raise NotVerified(_UNTRUSTED.format("its chain is broken"))
        if issuer is None:
            for name, trusted in trust.certificates:
                if _issued(trusted, certificate):
                    _check_time(trusted, at)
                    return name
    raise NotVerified(_UNTRUSTED.format(_subject(chain[0])))


def _issued(issuer: Certificate, certificate: Certificate) -> bool:
    """Say whether an authority's certificate issued another."""
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature

    try:
        constraints = issuer.extensions.get_extension_for_class(x509.BasicConstraints)
        if not constraints.value.ca:
            return False
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return True


def _check_signer(certificate: Certificate) -> None:
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    try:
        extensions = certificate.extensions
        usage = extensions.get_extension_for_class(x509.KeyUsage)
        if not usage.value.digital_signature:
            raise NotVerified(_UNTRUSTED.format("it is not for signing"))
        purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        if ExtendedKeyUsageOID.CODE_SIGNING not in purposes:
            raise NotVerified(_UNTRUSTED.format("it is not for signing code"))
    except x509.ExtensionNotFound as error:
        # Any purpose will do where none is named.
        if error.oid == x509.KeyUsage.oid:
            raise NotVerified(_UNTRUSTED.format("it does not say what it is for")) from None


def _check_time(certificate: Certificate, at: datetime) -> None:
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not start <= at <= end:
        raise NotVerified(
            _UNTRUSTED.format(
                f"{_subject(certificate)} is valid from {start.isoformat()} to {end.isoformat()}"
            )
        )


def _subject(certificate: Certificate) -> str:
    return certificate.subject.rfc4514_string()[:200]

"""The keys that stand for signing profiles.

AWS Signer keeps a profile's key and its certificate; here each profile gets a key of its own
when it first signs (ECDSA over P-256) with a certificate that it has signed itself. A verifier
trusts that certificate, which every signature carries. The cryptography package does the work;
it is an extra, so that who does not sign does without it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select

from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.db.signing_tables import signing_keys
from ecr_emulator.db.upsert import insert_once
from ecr_emulator.registry.notary import Signer

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import Certificate

#: How long a certificate is good for; AWS Signer's profiles sign for 135 months by default.
_VALIDITY = timedelta(days=135 * 365 // 12)
_COORDINATE_BYTES = 32


class SignerUnavailable(Exception):
    """Nothing can be signed here; the text says what is missing."""


class SigningKeys:
    """The keys of all signing profiles."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def signer(self, profile_arn: str) -> Signer:
        """Return what signs for a profile; its key is made at the first call.

        :raises SignerUnavailable: the cryptography package is not installed.
        """
        try:
            import cryptography  # noqa: F401
        except ImportError:
            raise SignerUnavailable(
                "Nothing can be signed here: the Python package 'cryptography' is not "
                "installed (pip install 'ecr-emulator[signing]')."
            ) from None
        stored = _find(self._database.reader(), profile_arn)
        if stored is None:
            self._make(profile_arn)
            # The one that is there, should another process have been faster.
            stored = _find(self._database.reader(), profile_arn)
            if stored is None:
                raise SignerUnavailable("The signing keys were deleted meanwhile.")
        return _signer(*stored)

    def _make(self, profile_arn: str) -> None:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        now = self._clock.now()
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certify(key, profile_arn, now)
        with self._database.write() as connection:
            insert_once(
                connection,
                signing_keys,
                profile_arn=profile_arn,
                private_key=key.private_bytes(
                    serialization.Encoding.DER,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                ),
                certificate=certificate.public_bytes(serialization.Encoding.DER),
                created_at=now,
            )


def _find(connection: Connection, profile_arn: str) -> tuple[bytes, bytes] | None:
    query = select(signing_keys.c.private_key, signing_keys.c.certificate).where(
        signing_keys.c.profile_arn == profile_arn
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else (row.private_key, row.certificate)


def _certify(key: EllipticCurvePrivateKey, profile_arn: str, now: datetime) -> Certificate:
    """Return a certificate as the Notary Project asks for ("Certificate requirements")."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    profile = profile_arn.rpartition("/")[2]
    # Trust policies ask for country, state and organization.
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "US"),
            x509.NameAttribute(NameOID.STATE_OR_PROVINCE_NAME, "WA"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "ecr_emulator"),
            # A common name has at most 64 characters (RFC 5280).
            x509.NameAttribute(NameOID.COMMON_NAME, profile[:64]),
        ]
    )
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + _VALIDITY)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
        .sign(key, hashes.SHA256())
    )


def _signer(private_key: bytes, certificate: bytes) -> Signer:
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    key = serialization.load_der_private_key(private_key, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise SignerUnavailable("The signing key is not one that this version made.")

    def sign(data: bytes) -> bytes:
        # RFC 7518, section 3.4: both coordinates as they are, not wrapped in ASN.1.
        halves = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
        return b"".join(half.to_bytes(_COORDINATE_BYTES, "big") for half in halves)

    return Signer("ES256", certificate, sign)

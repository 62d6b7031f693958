"""The authority and its certificates: what is kept, what is renewed, and who accepts them."""

from __future__ import annotations

import ssl
import stat
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa, x25519
from cryptography.x509.oid import NameOID

from ecr_emulator.clock import SettableClock
from ecr_emulator.tls.authority import CertificateError, CertificateFolder, ServerCertificate

NAMES = ("localhost", "127.0.0.1", "::1", "*.dkr.ecr.eu-west-1.localhost")


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def folder(tmp_path: Path, clock: SettableClock) -> CertificateFolder:
    return CertificateFolder(tmp_path, clock)


def handshake(folder: CertificateFolder, certificate: ServerCertificate, host: str) -> None:
    """Let a client that trusts the authority alone reach the server as *host*, in memory."""
    client_context = ssl.create_default_context(cafile=folder.authority_path)
    client_context.verify_flags |= ssl.VERIFY_X509_STRICT
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(certificate.path)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(down, up, server_hostname=host)
    server = server_context.wrap_bio(up, down, server_side=True)
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert client.version() is not None


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "::1", "123456789012.dkr.ecr.eu-west-1.localhost"]
)
def test_clients_that_trust_the_authority_accept_it(folder: CertificateFolder, host: str) -> None:
    handshake(folder, folder.ensure(NAMES), host)


@pytest.mark.parametrize(
    "host", ["example.com", "127.0.0.2", "a.123456789012.dkr.ecr.eu-west-1.localhost"]
)
def test_other_names_are_refused(folder: CertificateFolder, host: str) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="match"):
        handshake(folder, folder.ensure(NAMES), host)


def test_keys_are_the_owners_alone(folder: CertificateFolder, tmp_path: Path) -> None:
    folder.ensure(NAMES)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "tls").iterdir()}
    assert modes == {"ca.crt": 0o644, "ca.key": 0o600, "server.pem": 0o600}


def test_what_is_good_is_kept(folder: CertificateFolder, clock: SettableClock) -> None:
    first = folder.ensure(NAMES)
    text = first.path.read_bytes()
    clock.advance(timedelta(days=300))
    # Fewer names are no reason for another one.
    assert folder.ensure(NAMES[:2]) == first
    assert first.path.read_bytes() == text


def test_more_names_are_another_certificate(folder: CertificateFolder) -> None:
    folder.ensure(NAMES)
    authority = folder.authority_path.read_bytes()
    more = folder.ensure([*NAMES, "api.ecr.us-east-1.amazonaws.com"])
    assert "api.ecr.us-east-1.amazonaws.com" in more.names
    assert folder.authority_path.read_bytes() == authority


def test_it_is_renewed_before_its_end(folder: CertificateFolder, clock: SettableClock) -> None:
    first = folder.ensure(NAMES)
    authority = folder.authority_path.read_bytes()
    clock.advance(first.not_after - clock.now() - timedelta(days=59))
    second = folder.ensure(NAMES)
    assert second.not_after - clock.now() > timedelta(days=300)
    assert folder.authority_path.read_bytes() == authority


def test_the_authority_is_renewed_before_its_end(
    folder: CertificateFolder, clock: SettableClock
) -> None:
    folder.ensure(NAMES)
    fingerprint = folder.fingerprint()
    clock.advance(timedelta(days=3650 - 61))
    # No certificate outlives the authority it is from.
    certificate = folder.ensure(NAMES)
    assert certificate.not_after - clock.now() <= timedelta(days=61)
    assert folder.fingerprint() == fingerprint
    clock.advance(timedelta(days=2))
    certificate = folder.ensure(NAMES)
    assert certificate.not_after - clock.now() > timedelta(days=300)
    assert folder.fingerprint() != fingerprint


def test_two_servers_at_once_make_one(tmp_path: Path, clock: SettableClock) -> None:
    made: list[ServerCertificate] = []
    threads = [
        threading.Thread(
            target=lambda: made.append(CertificateFolder(tmp_path, clock).ensure(NAMES))
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 4
    assert len(set(made)) == 1


def own_authority(tmp_path: Path, key: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey) -> None:
    """Put an authority of one's own making into the folder: the least that counts as one."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "our house")])
    now = SettableClock().now()
    certificate = (
        x509.CertificateBuilder()
        .issuer_name(name)
        .subject_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=100))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256() if isinstance(key, rsa.RSAPrivateKey) else None)
    )
    (tmp_path / "tls").mkdir()
    (tmp_path / "tls" / "ca.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    write_key(tmp_path, key)


def write_key(
    tmp_path: Path,
    key: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | x25519.X25519PrivateKey,
    encryption: serialization.KeySerializationEncryption | None = None,
) -> None:
    (tmp_path / "tls" / "ca.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            encryption or serialization.NoEncryption(),
        )
    )


@pytest.mark.parametrize(
    "make_key",
    [ed25519.Ed25519PrivateKey.generate, lambda: rsa.generate_private_key(65537, 2048)],
    ids=["ed25519", "rsa"],
)
def test_an_authority_of_ones_own_is_used(
    folder: CertificateFolder,
    tmp_path: Path,
    make_key: Callable[[], ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey],
) -> None:
    own_authority(tmp_path, make_key())
    before = folder.authority_path.read_bytes()
    issued = folder.ensure(NAMES)
    assert folder.authority_path.read_bytes() == before
    certificate = x509.load_pem_x509_certificate(issued.path.read_bytes())
    assert certificate.issuer.rfc4514_string() == "CN=our house"
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(before))


def test_what_cannot_be_used_is_said_in_one_line(folder: CertificateFolder, tmp_path: Path) -> None:
    def fault() -> str:
        with pytest.raises(CertificateError) as caught:
            folder.ensure(NAMES)
        assert "\n" not in str(caught.value)
        return str(caught.value).replace(f"{tmp_path}/tls/", "")

    key = ed25519.Ed25519PrivateKey.generate()
    own_authority(tmp_path, key)
    write_key(tmp_path, ed25519.Ed25519PrivateKey.generate())
    assert fault() == ("ca.crt and ca.key do not belong together; without both, new ones are made")
    write_key(tmp_path, x25519.X25519PrivateKey.generate())
    assert fault() == "ca.key: a key that cannot sign"
    write_key(tmp_path, key, serialization.BestAvailableEncryption(b"secret"))
    assert fault() == "ca.key: not a private key in PEM without a password"
    (tmp_path / "tls" / "ca.key").write_text("-----BEGIN PRIVATE KEY-----\n")
    assert fault() == "ca.key: not a private key in PEM without a password"
    (tmp_path / "tls" / "ca.crt").write_text("not a certificate")
    assert fault() == "ca.crt: not a certificate in PEM"
    for name in ("ca.crt", "ca.key"):
        (tmp_path / "tls" / name).unlink()
    (tmp_path / "tls").rmdir()
    (tmp_path / "tls").write_text("a file")
    assert fault() == f"{tmp_path}/tls: File exists"


def test_a_certificate_of_another_authority_is_replaced(
    folder: CertificateFolder, tmp_path: Path
) -> None:
    folder.ensure(NAMES)
    (tmp_path / "tls" / "ca.crt").unlink()
    (tmp_path / "tls" / "ca.key").unlink()
    handshake(folder, folder.ensure(NAMES), "localhost")

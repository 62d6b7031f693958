"""``ecr-emulator tls``: the authority and the certificate, and how clients come to trust them."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import click

from ecr_emulator.cli_support import Failure, reachable, setting_options, settings_of

if TYPE_CHECKING:
    from ecr_emulator.config import Settings
    from ecr_emulator.tls.authority import CertificateFolder, ServerCertificate

_SETTINGS = (
    "host",
    "port",
    "data_dir",
    "tls_aws_names",
    "default_region",
    "registry_host",
    "public_registry_host",
)
_REGION = re.compile(r"\.[a-z]{2,3}-[a-z]+(?:-[a-z]+)?-[0-9](?=\.)")


@click.command()
@click.option(
    "--account",
    "accounts",
    multiple=True,
    default=("000000000000",),
    metavar="ACCOUNT",
    help="An account whose registry clients shall reach; may be repeated.  [default: 000000000000]",
)
@setting_options(*_SETTINGS)
def tls(accounts: tuple[str, ...], config_file: str | None, **flags: object) -> None:
    """Show the certificate that serve --tls uses, and the lines by which clients accept it.

    What is missing is made: the authority, and a certificate for the names that these settings
    ask for. Give them as to serve.
    """
    from ecr_emulator.tls.names import certificate_names

    for account in accounts:
        if re.fullmatch(r"[0-9]{12}", account) is None:
            raise Failure(f"{account!r} is not an account: twelve digits")
    settings = settings_of(config_file, flags)
    folder, certificate = make_certificate(settings)
    hosts = _hosts(certificate_names(settings), settings.default_region, accounts)
    bundle = shlex.quote(str(folder.authority_path))
    address = reachable(settings).removesuffix(":443")
    port = "" if settings.port == 443 else f":{settings.port}"
    lines = [
        f"authority: {folder.authority_path}",
        f"  SHA-256 fingerprint {folder.fingerprint()}",
        f"certificate: {certificate.path}, until {certificate.not_after:%Y-%m-%d}, for",
        *(f"  {name}" for name in _shortened(certificate.names)),
        "",
        "# Lines for /etc/hosts, which knows no wildcards: one for each registry (--account)",
        *(f"{address.removesuffix(port).strip('[]')} {host}" for host in hosts),
        "",
        "# docker, on the machine of its daemon (podman: /etc/containers/certs.d)",
        *(
            f"sudo install -D -m 644 {bundle} /etc/docker/certs.d/{host}{port}/ca.crt"
            for host in hosts
            if not host.startswith("api.")
        ),
        "",
        "# The aws command, boto3 and AWS's other SDKs, and docker-credential-ecr-login",
        f"export AWS_CA_BUNDLE={bundle}",
        f"export AWS_ENDPOINT_URL=https://{address}",
        "",
        "# skopeo, crane and others that are written in Go or use OpenSSL; it takes the place of",
        "# the system's file of authorities",
        f"export SSL_CERT_FILE={bundle}",
    ]
    if settings.tls_aws_names and port:
        lines += ["", "# Clients come to AWS's names by port 443: serve --tls --port 443"]
    click.echo("\n".join(lines))


def make_certificate(settings: Settings) -> tuple[CertificateFolder, ServerCertificate]:
    """Return the server's certificate and the folder it is in; make what is missing.

    :raises Failure: that cannot be done; the text says why.
    """
    from ecr_emulator.clock import Clock
    from ecr_emulator.tls.authority import CertificateError, CertificateFolder
    from ecr_emulator.tls.names import certificate_names

    folder = CertificateFolder(settings.data_dir, Clock())
    try:
        return folder, folder.ensure(certificate_names(settings))
    except CertificateError as error:
        raise Failure(str(error)) from None


def _hosts(names: tuple[str, ...], region: str, accounts: tuple[str, ...]) -> list[str]:
    """Return those of a certificate's names that a client in *region* has to be led to."""
    hosts = []
    for name in names:
        found = _REGION.search(name)
        elsewhere = found is not None and found[0] != f".{region}" and "-public" not in name
        if "." not in name or elsewhere or name.replace(".", "").isdigit():
            continue
        if name.startswith("*."):
            hosts += [account + name[1:] for account in accounts]
        else:
            hosts.append(name)
    return hosts


def _shortened(names: tuple[str, ...]) -> list[str]:
    """Return names with those that differ in their region alone put together."""
    counts: dict[str, int] = {}
    for name in names:
        shape = _REGION.sub(".<region>", name)
        counts[shape] = counts.get(shape, 0) + 1
    return [
        name if counts[shape] == 1 else f"{shape} ({counts[shape]} regions)"
        for shape, name in {_REGION.sub(".<region>", name): name for name in names}.items()
    ]

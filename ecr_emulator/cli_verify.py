"""``ecr-emulator verify``: which signatures an image of a running server has."""

from __future__ import annotations

import re
from pathlib import Path

import click

from ecr_emulator.cli_server import ask_server, endpoint_option
from ecr_emulator.cli_support import Failure

_IMAGE = re.compile(
    r"(?:(?P<host>[^/]*[.:][^/]*|localhost)/)?"
    r"(?P<name>[a-z0-9][a-z0-9._/-]*)"
    r"(?::(?P<tag>[\w][\w.-]{0,127}))?(?:@(?P<digest>[a-z0-9]+:[0-9a-f]+))?\Z"
)


@click.command()
@click.argument("image")
@click.option(
    "--key",
    "keys",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A public key or a certificate to trust, in PEM, or a folder of them; may be repeated."
    "  [default: what the server trusts]",
)
@click.option("--account", metavar="ACCOUNT", help="The registry's, if IMAGE's host does not say.")
@click.option(
    "--region",
    metavar="REGION",
    envvar=["AWS_REGION", "AWS_DEFAULT_REGION"],
    default="us-east-1",
    help="Likewise.  [AWS_REGION; default: us-east-1]",
)
@endpoint_option
def verify(
    image: str,
    keys: tuple[Path, ...],
    account: str | None,
    region: str,
    endpoint_url: str | None,
) -> None:
    """Say which signatures and attestations IMAGE has, and whether each verifies.

    IMAGE is a repository's name with a tag or a digest, and may begin with the registry's host.
    Ends with 0 if a signature verifies, else with 1.
    """
    from urllib.parse import urlencode

    trusted = _trusted(keys)
    answer = ask_server(
        "signatures",
        endpoint_url,
        "GET" if trusted is None else "POST",
        f"/_emulator/signatures?{urlencode(_query(image, account, region))}",
        trusted,
    )
    verified = False
    for item in answer["signatures"]:
        verified = verified or item["verified"]
        told = f"by {item['trustedBy']}" if item["verified"] else item["reason"]
        about = f" ({item['predicateType']})" if "predicateType" in item else ""
        click.echo(
            f"{'verified' if item['verified'] else 'NOT verified'}  {item['kind']}{about}"
            f"  {item['manifestDigest']}  {told}"
        )
    if not verified:
        raise Failure(f"no signature of {answer['imageDigest']} verifies")


def _query(image: str, account: str | None, region: str) -> dict[str, str]:
    from ecr_emulator.endpoints import registry_of_host

    found = _IMAGE.match(image) if len(image) < 1000 else None
    if found is None:
        raise Failure(f"{image[:200]} names no image")
    registry = registry_of_host(found["host"] or "")
    query = {
        "account": registry.account if registry else account or "000000000000",
        "region": registry.region if registry else region,
        "repositoryName": found["name"],
        "imageTag": found["tag"] or ("" if found["digest"] else "latest"),
        "imageDigest": found["digest"] or "",
    }
    return {name: value for name, value in query.items() if value}


def _trusted(keys: tuple[Path, ...]) -> bytes | None:
    """Return the files' contents, having seen that they can be used."""
    from ecr_emulator.signatures.trust import InvalidTrust, pem_files

    try:
        return b"\n".join(data for key in keys for _, data in pem_files(key)) or None
    except InvalidTrust as error:
        raise Failure(str(error)) from None

"""The host names that the server's certificate is for.

A wildcard stands for one label only (RFC 6125, section 6.4.3), so that every region needs names
of its own; all the regions that have ECR are taken, and no one has to list theirs.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

import botocore.session

from ecr_emulator.config import Settings

#: What the server is called on the machine it runs on.
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1", "public.ecr.localhost")
#: AWS's partitions whose names users have in their configuration, with the suffix of those.
_PARTITIONS = {"aws": "amazonaws.com", "aws-us-gov": "amazonaws.com", "aws-cn": "amazonaws.com.cn"}


def certificate_names(settings: Settings) -> tuple[str, ...]:
    """Return the names and addresses that a server with these settings can be reached by.

    With ``tls_aws_names`` AWS's own are among them: ``*.dkr.ecr.<region>.amazonaws.com``,
    ``api.ecr.<region>.amazonaws.com``, ``public.ecr.aws`` and the API of ECR Public.
    """
    suffixes = _suffixes(settings.default_region)
    names = [*LOCAL_NAMES, *(f"*.dkr.ecr.{region}.localhost" for region in suffixes)]
    if settings.tls_aws_names:
        for region, suffix in suffixes.items():
            names += [f"*.dkr.ecr.{region}.{suffix}", f"api.ecr.{region}.{suffix}"]
        names += ["public.ecr.aws", "api.ecr-public.us-east-1.amazonaws.com"]
    names += _own([settings.host, settings.public_registry_host], settings.registry_host, suffixes)
    return tuple(dict.fromkeys(names))


def is_address(name: str) -> bool:
    """Say whether *name* is an IP address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _suffixes(default_region: str) -> dict[str, str]:
    """Return the suffix of AWS's names by region, for every region that has ECR."""
    session = botocore.session.Session()
    suffixes = {default_region: "amazonaws.com"}
    for partition, suffix in _PARTITIONS.items():
        for region in session.get_available_regions("ecr", partition):
            suffixes[region] = suffix
    return suffixes


def _own(hosts: Iterable[str], template: str, regions: Iterable[str]) -> list[str]:
    """Return what the settings call this server, without ports."""
    hosts = list(hosts)
    # What a template makes of the caller's own address is among the other names already.
    if "{host}" not in template:
        hosts += [template.format(account="*", region=region, port="0") for region in regions]
    names = []
    for host in hosts:
        name = _without_port(host)
        listens_everywhere = is_address(name) and ipaddress.ip_address(name).is_unspecified
        if name and not listens_everywhere and "*" not in name.removeprefix("*."):
            names.append(name)
    return names


def _without_port(host: str) -> str:
    name = host[1:].partition("]")[0] if host.startswith("[") else host
    name = name.partition("%")[0]  # the interface that an IPv6 address is on
    if is_address(name):
        return str(ipaddress.ip_address(name))
    return name.partition(":")[0].lower()

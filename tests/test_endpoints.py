"""Which registry a host names, and under which address a registry is reached."""

from __future__ import annotations

import pytest

from ecr_emulator.arns import RegistryKey
from ecr_emulator.endpoints import Endpoint, RegistryAddresses, is_host, registry_of_host

ACCOUNT = "123456789012"


@pytest.mark.parametrize(
    ("host", "region"),
    [
        (f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com", "us-east-1"),
        (f"{ACCOUNT}.dkr.ecr-fips.us-east-1.amazonaws.com", "us-east-1"),
        (f"{ACCOUNT}.DKR.ecr.EU-west-1.localhost:4566", "eu-west-1"),
        # What stands for the region in a public registry's key is no region.
        (f"{ACCOUNT}.dkr.ecr.public.localhost:4566", None),
        ("12345.dkr.ecr.us-east-1.amazonaws.com", None),
        ("public.ecr.aws", None),
        ("localhost:4566", None),
        ("", None),
    ],
)
def test_the_registry_that_a_host_names(host: str, region: str | None) -> None:
    assert registry_of_host(host) == (None if region is None else RegistryKey(ACCOUNT, region))


@pytest.mark.parametrize(
    ("setting", "host", "public"),
    [
        ("", "public.ecr.aws", True),
        ("", "Public.ECR.localhost:4566", True),
        ("", "public.ecrx.aws", False),
        ("", "api.public.ecr.aws", False),
        ("", "localhost:4566", False),
        ("", "", False),
        ("images.test:4566", "IMAGES.test:4566", True),
        ("images.test:4566", "images.test", False),
        ("images.test:4566", "public.ecr.aws", True),
    ],
)
def test_hosts_of_public_registries(setting: str, host: str, public: bool) -> None:
    assert RegistryAddresses("", setting).is_public_host(host) is public


@pytest.mark.parametrize(
    ("setting", "host", "address"),
    [
        ("", "localhost:4566", "localhost:4566/public.ecr.aws/a1b2"),
        ("", "public.ecr.localhost:4566", "public.ecr.localhost:4566/a1b2"),
        ("", "api.ecr-public.us-east-1.amazonaws.com", "public.ecr.aws/a1b2"),
        ("", "API.ecr-public.us-east-1.amazonaws.com:4566", "public.ecr.aws:4566/a1b2"),
        ("public.ecr.aws", "localhost:4566", "public.ecr.aws/a1b2"),
    ],
)
def test_addresses_of_public_registries(setting: str, host: str, address: str) -> None:
    addresses = RegistryAddresses("{account}.{region}:{port}", setting)
    assert addresses.public_registry("a1b2", Endpoint("http", host)) == address


@pytest.mark.parametrize(
    ("template", "host", "address"),
    [
        ("", "localhost:4566", "localhost:4566"),
        # Who came by the name of AWS's API gets the name that AWS would give.
        (
            "",
            "api.ecr.us-east-1.amazonaws.com",
            f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com",
        ),
        (
            "",
            "api.ecr-fips.us-east-1.amazonaws.com:4566",
            f"{ACCOUNT}.dkr.ecr-fips.eu-west-1.amazonaws.com:4566",
        ),
        ("registry", "api.ecr.us-east-1.amazonaws.com", "registry"),
        ("{account}.{region}.{host}:{port}", "here:80", f"{ACCOUNT}.eu-west-1.here:80"),
        ("registry:{port}", "here", "registry:443"),
        ("", "[::1]:4566", "[::1]:4566"),
        ("{host}:{port}", "[::1]:4566", "[::1]:4566"),
        ("{host}:{port}", "[2001:db8::1]", "[2001:db8::1]:443"),
        ("{host}", "10.0.0.1", "10.0.0.1"),
    ],
)
def test_addresses_of_private_registries(template: str, host: str, address: str) -> None:
    key = RegistryKey(ACCOUNT, "eu-west-1")
    assert RegistryAddresses(template).host(key, Endpoint("https", host)) == address


@pytest.mark.parametrize(
    ("scheme", "host", "name", "port"),
    [
        ("http", "localhost:4566", "localhost", "4566"),
        ("http", "localhost", "localhost", "80"),
        ("https", "localhost", "localhost", "443"),
        ("https", "[::1]:8443", "[::1]", "8443"),
        ("http", "[fe80::1]", "[fe80::1]", "80"),
        ("http", "registry.team_a.svc:5000", "registry.team_a.svc", "5000"),
        # What is no host is left as it is; the AWS door refuses it before.
        ("http", "a b:1", "a b:1", "80"),
    ],
)
def test_parts_of_an_endpoint(scheme: str, host: str, name: str, port: str) -> None:
    endpoint = Endpoint(scheme, host)
    assert (endpoint.name, endpoint.port) == (name, port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a b",
        "a/b",
        'a"b',
        "a\n",
        "a\r\nb",
        "a:",
        "a:b",
        "a:123456",
        "a:1:2",
        "[::1",
        "::1",
        "[::1]x",
        "[]",
        "\u00e9",
        "\u0663",
        "a:\u0663",
        "a" * 254,
        "user@host",
    ],
)
def test_what_is_no_host(text: str) -> None:
    assert not is_host(text)
    assert registry_of_host(text) is None


def test_a_registrys_host_is_no_more_than_one() -> None:
    before = f"{ACCOUNT}.dkr.ecr.us-east-1."
    for host in (before, before + "a/b", before + "a\n", before + "a:", "x." + before + "a"):
        assert registry_of_host(host) is None

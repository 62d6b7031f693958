"""Bills of materials: CycloneDX of images at ``GET /_emulator/sbom``."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlencode

import pytest

from ecr_emulator.scanning.cyclonedx import bill_of_materials
from ecr_emulator.scanning.packages import Distribution, Inventory, Package
from tests.support.app import ACCOUNT, REGION, App, OciCaller
from tests.support.images import make_image, make_index
from tests.support.rootfs import alpine, debian, image_of

REPOSITORY = "team/app"
NOW = datetime(2026, 1, 2, tzinfo=timezone.utc)


def ask(app: App, **query: str) -> tuple[int, dict[str, Any]]:
    named = {"account": ACCOUNT, "region": REGION, "repositoryName": REPOSITORY, **query}
    response = app.request(
        "GET",
        f"/_emulator/sbom?{urlencode({name: text for name, text in named.items() if text})}",
        environ={"REMOTE_ADDR": "127.0.0.1"},
    )
    return response.status_code, dict(response.get_json(force=True))


def test_image(app: App, ecr: Any, oci: OciCaller) -> None:
    ecr.create_repository(repositoryName=REPOSITORY)
    image = image_of(
        debian([("libssl3", "1:3.0.11-1~deb12u1", "openssl")]),
        {"usr/lib/Jinja2.dist-info/METADATA": "Name: Jinja2\nVersion: 2.4.1\n"},
    )
    oci.push(REPOSITORY, image, "v1")
    status, bill = ask(app, imageTag="v1")
    assert status == 200
    digest = image.manifest.digest
    url = f"pkg:oci/app@{digest}?repository_url=localhost:4566/{REPOSITORY}"
    component = bill["metadata"]["component"]
    assert component == {
        "type": "container",
        "bom-ref": url,
        "name": f"localhost:4566/{REPOSITORY}",
        "version": digest,
        "purl": url,
    }
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["components"] == [
        {
            "type": "operating-system",
            "bom-ref": "os:debian",
            "name": "debian",
            "version": "12",
            "description": "Debian GNU/Linux 12 (bookworm)",
        },
        {
            "type": "library",
            "bom-ref": "0:OS:libssl3@1:3.0.11-1~deb12u1",
            "name": "libssl3",
            "version": "1:3.0.11-1~deb12u1",
            "purl": "pkg:deb/debian/libssl3@1:3.0.11-1~deb12u1?arch=amd64&distro=debian-12",
            "properties": [
                {"name": "ecr-emulator:file", "value": "var/lib/dpkg/status"},
                {"name": "ecr-emulator:layer", "value": image.layers[0].digest},
                {"name": "ecr-emulator:source", "value": "openssl"},
                {"name": "ecr-emulator:source-version", "value": "1:3.0.11-1~deb12u1"},
            ],
        },
        {
            "type": "library",
            "bom-ref": "1:PYTHONPKG:Jinja2@2.4.1",
            "name": "Jinja2",
            "version": "2.4.1",
            "purl": "pkg:pypi/jinja2@2.4.1",
            "properties": [
                {"name": "ecr-emulator:file", "value": "usr/lib/Jinja2.dist-info/METADATA"},
                {"name": "ecr-emulator:layer", "value": image.layers[1].digest},
            ],
        },
    ]
    again = ask(app, imageDigest=digest)[1]
    assert again["serialNumber"] == bill["serialNumber"]


@pytest.mark.parametrize(
    ("package", "system", "url"),
    [
        (
            Package("OS", "musl", "1.2.4-r1", "x86_64"),
            Distribution("alpine", "3.18.4"),
            "pkg:apk/alpine/musl@1.2.4-r1?arch=x86_64&distro=alpine-3.18.4",
        ),
        (
            Package("OS", "openssl-libs", "1:3.0.7-24.el9", "x86_64"),
            Distribution("rhel", "9.4"),
            "pkg:rpm/redhat/openssl-libs@3.0.7-24.el9?arch=x86_64&distro=rhel-9.4&epoch=1",
        ),
        (
            Package("OS", "bash", "5.2-1", "x86_64"),
            Distribution("opensuse-leap", "15.6"),
            "pkg:rpm/opensuse/bash@5.2-1?arch=x86_64&distro=opensuse-leap-15.6",
        ),
        (Package("OS", "aa", "1"), None, "pkg:generic/aa@1"),
        (Package("NODEPKG", "@scope/name", "1"), None, "pkg:npm/%40scope/name@1"),
        (
            Package("GOBINARY", "golang.org/x/net", "v0.7.0"),
            None,
            "pkg:golang/golang.org/x/net@v0.7.0",
        ),
        (Package("JAR", "org.a:core", "1"), None, "pkg:maven/org.a/core@1"),
        (Package("NODEPKG", "odd/", "1"), None, None),
    ],
)
def test_package_urls(package: Package, system: Distribution | None, url: str | None) -> None:
    inventory = Inventory(system, (package,))
    bill = bill_of_materials(inventory, repository_uri="h/r", digest="sha256:1", made_at=NOW)
    assert bill["components"][-1].get("purl") == url


def test_refused(app: App, ecr: Any, oci: OciCaller) -> None:
    assert ask(app, account="")[1] == {"message": "account must be given"}
    status, answer = ask(app, imageTag="v1")
    assert status == 400
    assert "does not exist in the registry" in answer["message"]
    ecr.create_repository(repositoryName=REPOSITORY)
    assert "does not exist within" in ask(app)[1]["message"]
    oci.push(REPOSITORY, make_index([make_image()]), "index")
    assert "cannot be scanned" in ask(app, imageTag="index")[1]["message"]
    oci.push(REPOSITORY, image_of(alpine(), b"\x1f\x8bnot gzip"), "damaged")
    assert ask(app, imageTag="damaged") == (
        400,
        {"message": "A layer of the image is damaged: it cannot be unpacked."},
    )

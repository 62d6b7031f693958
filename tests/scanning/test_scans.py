"""Scans from the push to the answer: real layers, real records, both types of scanning.

The shapes are those of the API reference's samples.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ecr_emulator.cli import main
from ecr_emulator.registry import image_examination
from ecr_emulator.registry.image_examination import (
    NO_DATABASE,
    NO_LIBRARIES,
    NOT_COVERED,
    ImageExaminer,
)
from ecr_emulator.registry.repository import Repository
from ecr_emulator.scanning import matching
from ecr_emulator.scanning.limits import Limits
from tests.scanning.osv_records import ALL, MUSL, OPENSSL, affected, record
from tests.support.app import ACCOUNT, REGION, App, OciCaller
from tests.support.images import Image
from tests.support.rootfs import UBI_RELEASE, alpine, debian, dpkg_status, go_program, image_of
from tests.support.rpmdb import DATABASES, PACKAGES, header

REPOSITORY = "team/app"
DONE = "The scan was completed successfully."
UNSUPPORTED = (
    "UnsupportedImageError: The operating system and/or package manager are not supported."
)
MODIFIED = datetime(2026, 2, 3, 4, 5, 6, tzinfo=timezone.utc)

DEBIAN = debian(
    [
        ("libssl3", "3.0.11-1~deb12u1", "openssl"),
        ("openssl", "3.0.11-1~deb12u1", "openssl"),
        ("libc6", "2.36-9+deb12u3", "glibc"),
        ("tzdata", "2023c-5", ""),
    ]
)
LANGUAGES = {
    "usr/lib/python3/Jinja2-2.4.1.dist-info/METADATA": "Name: Jinja2\nVersion: 2.4.1\n",
    "app/node_modules/lodash/package.json": '{"name": "lodash", "version": "4.17.20"}',
    "usr/bin/server": go_program("go1.21.2", "dep\tgolang.org/x/net\tv0.7.0\n"),
}


def load(app: App, folder: Path, *documents: dict[str, Any]) -> str:
    """Load records as a user does, by the command line; return what that printed."""
    folder.mkdir(parents=True, exist_ok=True)
    for document in documents:
        (folder / f"{document['id']}.json").write_text(json.dumps(document))
    arguments = ["vulndb", "import", str(folder), "--data-dir", str(app.folder)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def enhanced(ecr: Any, frequency: str = "CONTINUOUS_SCAN") -> None:
    ecr.put_registry_scanning_configuration(
        scanType="ENHANCED",
        rules=[
            {
                "scanFrequency": frequency,
                "repositoryFilters": [{"filter": "*", "filterType": "WILDCARD"}],
            }
        ],
    )


def push(app: App, image: Image, tag: str = "v1") -> None:
    """Push an image to a repository that scans on push."""
    ecr = app.ecr()
    if not ecr.describe_repositories()["repositories"]:
        ecr.create_repository(
            repositoryName=REPOSITORY, imageScanningConfiguration={"scanOnPush": True}
        )
    OciCaller(app, app.another_process().token()).push(REPOSITORY, image, tag)


def scan(app: App, image: Image) -> dict[str, Any]:
    """Push an image, let it be scanned, and return the answer about it."""
    push(app, image)
    app.run_jobs()
    return answer_about(app.ecr(), image)


def answer_about(ecr: Any, image: Image) -> dict[str, Any]:
    answer = ecr.describe_image_scan_findings(
        repositoryName=REPOSITORY, imageId={"imageDigest": image.manifest.digest}
    )
    return dict(answer)


def names(findings: Iterable[dict[str, Any]]) -> list[str]:
    return [
        item["name"] if "name" in item else item["packageVulnerabilityDetails"]["vulnerabilityId"]
        for item in findings
    ]


class TestBasic:
    def test_debian(self, app: App, tmp_path: Path) -> None:
        output = load(app, tmp_path / "osv", *ALL)
        assert "Debian:12: 3 new or changed" in output
        answer = scan(app, image_of(DEBIAN, LANGUAGES))
        assert answer["imageScanStatus"] == {"status": "COMPLETE", "description": DONE}
        found = answer["imageScanFindings"]
        assert found["vulnerabilitySourceUpdatedAt"] == MODIFIED
        # Only the operating system's, each once for the package they are built from.
        assert found["findingSeverityCounts"] == {
            "CRITICAL": 1,
            "INFORMATIONAL": 1,
            "UNDEFINED": 1,
        }
        assert names(found["findings"]) == ["CVE-2026-1001", "CVE-2010-4756", "DSA-5700-1"]
        assert found["findings"][0] == {
            "name": "CVE-2026-1001",
            "description": "The details of DEBIAN-CVE-2026-1001.",
            "uri": "https://security-tracker.debian.org/tracker/CVE-2026-1001",
            "severity": "CRITICAL",
            "attributes": [
                {"key": "package_version", "value": "3.0.11-1~deb12u1"},
                {"key": "package_name", "value": "openssl"},
                {
                    "key": "CVSS3_VECTOR",
                    "value": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
                },
                {"key": "CVSS3_SCORE", "value": "9.8"},
            ],
        }

    def test_alpine(self, app: App, tmp_path: Path) -> None:
        load(app, tmp_path / "osv", *ALL)
        answer = scan(app, image_of(alpine([("musl", "1.2.4-r1", "musl")])))
        assert names(answer["imageScanFindings"]["findings"]) == ["CVE-2026-2001"]

    @pytest.mark.parametrize("path", sorted(DATABASES))
    def test_red_hat(self, app: App, tmp_path: Path, path: str) -> None:
        load(app, tmp_path / "osv", *ALL)
        headers = [header(package) for package in PACKAGES]
        files = {"etc/os-release": UBI_RELEASE, path: DATABASES[path](headers)}
        answer = scan(app, image_of(files))
        assert answer["imageScanStatus"] == {"status": "COMPLETE", "description": DONE}
        (finding,) = answer["imageScanFindings"]["findings"]
        assert finding["name"] == "CVE-2026-3001"
        assert finding["severity"] == "HIGH"
        assert finding["attributes"][:2] == [
            {"key": "package_version", "value": "1:3.0.7-24.el9"},
            {"key": "package_name", "value": "openssl"},
        ]

    def test_a_distribution_that_osv_has_nothing_about(self, app: App, tmp_path: Path) -> None:
        """Its packages are read nonetheless."""
        load(app, tmp_path / "osv", *ALL)
        database = DATABASES["var/lib/rpm/rpmdb.sqlite"]([header(PACKAGES[0])])
        release = 'ID="amzn"\nVERSION_ID="2023"\n'
        files = {"etc/os-release": release, "var/lib/rpm/rpmdb.sqlite": database}
        assert scan(app, image_of(files))["imageScanStatus"] == {
            "status": "COMPLETE",
            "description": f"{DONE} {NOT_COVERED.format('Amazon Linux:2023')}",
        }

    def test_what_a_later_layer_mends(self, app: App, tmp_path: Path) -> None:
        load(app, tmp_path / "osv", OPENSSL)
        mended = {"var/lib/dpkg/status": dpkg_status([("libssl3", "3.0.11-1~deb12u2", "openssl")])}
        answer = scan(app, image_of(DEBIAN, mended))
        assert answer["imageScanFindings"]["findings"] == []
        assert answer["imageScanFindings"]["findingSeverityCounts"] == {}

    @pytest.mark.parametrize(
        "files",
        [
            {},
            {"usr/bin/app": go_program("go1.20", "")},
            # A list of packages, and nothing that says whose.
            {"var/lib/dpkg/status": dpkg_status([("aa", "1", "")])},
            # No list of packages.
            {"etc/os-release": "ID=debian\nVERSION_ID=12\n"},
            {"etc/os-release": "ID=fedora\nVERSION_ID=40\n", "var/lib/rpm/rpmdb.sqlite": "x"},
        ],
    )
    def test_unsupported(self, app: App, files: Any) -> None:
        answer = scan(app, image_of(files))
        assert answer["imageScanStatus"] == {"status": "FAILED", "description": UNSUPPORTED}
        assert "imageScanFindings" not in answer
        (detail,) = app.ecr().describe_images(repositoryName=REPOSITORY)["imageDetails"]
        assert detail["imageScanStatus"]["status"] == "FAILED"
        assert "imageScanFindingsSummary" not in detail

    def test_damaged_layer(self, app: App) -> None:
        answer = scan(app, image_of(alpine(), b"\x1f\x8bnot gzip"))
        assert answer["imageScanStatus"] == {
            "status": "FAILED",
            "description": "A layer of the image is damaged: it cannot be unpacked.",
        }

    def test_bomb(self, app: App) -> None:
        bomb = gzip.compress(bytes(400 * 1024**2), compresslevel=9)
        assert scan(app, image_of(alpine(), bomb))["imageScanStatus"] == {
            "status": "FAILED",
            "description": "A layer of the image unpacks to more than any real one does.",
        }

    def test_more_than_a_scan_reads(self, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(image_examination, "Limits", lambda: Limits(entries=3))
        other = app.another_process()
        push(other, image := image_of(alpine()))
        other.run_jobs()
        assert answer_about(app.ecr(), image)["imageScanStatus"] == {
            "status": "IMAGE_SIZE_EXCEEDED",
            "description": "The image's layers hold more files than a scan reads.",
        }

    def test_a_layer_is_lost(self, app: App) -> None:
        image = image_of(alpine())
        push(app, image)
        digest = image.layers[0].digest.removeprefix("sha256:")
        (app.folder / "blobs" / "sha256" / digest[:2] / digest).unlink()
        app.run_jobs()
        assert answer_about(app.ecr(), image)["imageScanStatus"] == {
            "status": "FAILED",
            "description": "A layer of the image is missing from the registry.",
        }


class TestHonesty:
    def test_no_database(self, app: App) -> None:
        answer = scan(app, image_of(DEBIAN))
        assert answer["imageScanStatus"]["description"] == f"{DONE} {NO_DATABASE}"
        assert "vulnerabilitySourceUpdatedAt" not in answer["imageScanFindings"]

    def test_a_database_of_something_else(self, app: App, tmp_path: Path) -> None:
        load(app, tmp_path / "osv", MUSL)
        answer = scan(app, image_of(DEBIAN))
        assert answer["imageScanStatus"]["description"] == (
            f"{DONE} The vulnerability database has nothing about Debian:12."
        )
        assert "vulnerabilitySourceUpdatedAt" not in answer["imageScanFindings"]

    def test_a_distribution_without_a_release(self, app: App, tmp_path: Path) -> None:
        load(app, tmp_path / "osv", *ALL)
        files = {**DEBIAN, "etc/os-release": "ID=debian\n"}
        assert scan(app, image_of(files))["imageScanStatus"]["description"] == (
            f"{DONE} The vulnerability database has nothing about debian."
        )

    def test_packages_that_are_not_read(self, app: App, tmp_path: Path) -> None:
        enhanced(app.ecr(), "SCAN_ON_PUSH")
        load(app, tmp_path / "osv", *ALL)
        files = {**LANGUAGES, "etc/os-release": "ID=slackware\nVERSION_ID=15.0\n"}
        assert scan(app, image_of(files))["imageScanStatus"]["description"] == (
            f"{DONE} The vulnerability database has nothing about slackware 15.0."
        )

    def test_without_the_libraries(
        self, app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        load(app, tmp_path / "osv", *ALL)

        def missing(*_: object, **__: object) -> None:
            raise ImportError

        monkeypatch.setattr(matching, "affects", missing)
        answer = scan(app, image_of(DEBIAN))
        assert answer["imageScanStatus"]["description"] == f"{DONE} {NO_LIBRARIES}"


class TestEnhanced:
    def test_findings(self, app: App, tmp_path: Path) -> None:
        load(app, tmp_path / "osv", *ALL)
        ecr = app.ecr()
        enhanced(ecr)
        image = image_of(DEBIAN, LANGUAGES)
        answer = scan(app, image)
        assert answer["imageScanStatus"] == {
            "status": "ACTIVE",
            "description": "Continuous scan is selected for image.",
        }
        found = answer["imageScanFindings"]
        assert found["findingSeverityCounts"] == {
            "CRITICAL": 1,
            "INFORMATIONAL": 1,
            "MEDIUM": 1,
            "UNTRIAGED": 3,
        }
        findings = found["enhancedFindings"]
        assert names(findings) == [
            "CVE-2026-1001",
            "CVE-2019-10906",
            "CVE-2010-4756",
            "CVE-2023-39325",
            "DSA-5700-1",
            "MAL-2026-1",
        ]
        first, second = findings[:2]
        (pushed,) = ecr.describe_images(repositoryName=REPOSITORY)["imageDetails"]
        arn = first.pop("findingArn")
        assert arn.startswith(f"arn:aws:inspector2:{REGION}:{ACCOUNT}:finding/")
        assert first.pop("firstObservedAt") == first.pop("lastObservedAt")
        assert first.pop("updatedAt") == found["imageScanCompletedAt"]
        vector = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
        layer = image.layers[0].digest
        tracker = "https://security-tracker.debian.org/tracker/CVE-2026-1001"
        libssl = {
            "arch": "AMD64",
            "epoch": 0,
            "fixedInVersion": "3.0.11-1~deb12u2",
            "name": "libssl3",
            "packageManager": "OS",
            "release": "1~deb12u1",
            "sourceLayerHash": layer,
            "version": "3.0.11",
        }
        assert first == {
            "awsAccountId": ACCOUNT,
            "description": "The details of DEBIAN-CVE-2026-1001.",
            "packageVulnerabilityDetails": {
                "cvss": [
                    {
                        "baseScore": 9.8,
                        "scoringVector": vector,
                        "source": "DEBIAN_CVE",
                        "version": "3.1",
                    }
                ],
                "referenceUrls": [tracker, "https://example.com/openssl"],
                "relatedVulnerabilities": ["DEBIAN-CVE-2026-1001"],
                "source": "DEBIAN_CVE",
                "sourceUrl": tracker,
                "vendorCreatedAt": datetime(2026, 1, 1, tzinfo=timezone.utc),
                "vendorUpdatedAt": MODIFIED + timedelta(milliseconds=789),
                "vulnerabilityId": "CVE-2026-1001",
                "vulnerablePackages": [libssl, {**libssl, "name": "openssl"}],
            },
            "remediation": {"recommendation": {"text": "None Provided"}},
            "resources": [
                {
                    "details": {
                        "awsEcrContainerImage": {
                            "architecture": "amd64",
                            "author": "somebody",
                            "imageHash": image.manifest.digest,
                            "imageTags": ["v1"],
                            "platform": "DEBIAN_12",
                            "pushedAt": pushed["imagePushedAt"],
                            "registry": ACCOUNT,
                            "repositoryName": REPOSITORY,
                        }
                    },
                    "id": f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{REPOSITORY}/"
                    f"{image.manifest.digest}",
                    "tags": {},
                    "type": "AWS_ECR_CONTAINER_IMAGE",
                }
            ],
            "score": 9.8,
            "scoreDetails": {
                "cvss": {
                    "adjustments": [],
                    "score": 9.8,
                    "scoreSource": "DEBIAN_CVE",
                    "scoringVector": vector,
                    "version": "3.1",
                }
            },
            "severity": "CRITICAL",
            "status": "ACTIVE",
            "title": "CVE-2026-1001 - libssl3, openssl",
            "type": "PACKAGE_VULNERABILITY",
            "fixAvailable": "YES",
        }
        assert second["packageVulnerabilityDetails"]["vulnerablePackages"] == [
            {
                "filePath": "usr/lib/python3/Jinja2-2.4.1.dist-info/METADATA",
                "fixedInVersion": "2.10.1",
                "name": "Jinja2",
                "packageManager": "PYTHONPKG",
                "sourceLayerHash": image.layers[1].digest,
                "version": "2.4.1",
            }
        ]
        assert findings[2]["fixAvailable"] == "NO"

    def test_red_hat(self, app: App, tmp_path: Path) -> None:
        load(app, tmp_path / "osv", *ALL)
        enhanced(app.ecr(), "SCAN_ON_PUSH")
        database = DATABASES["var/lib/rpm/rpmdb.sqlite"]([header(item) for item in PACKAGES])
        image = image_of({"etc/os-release": UBI_RELEASE, "var/lib/rpm/rpmdb.sqlite": database})
        (finding,) = scan(app, image)["imageScanFindings"]["enhancedFindings"]
        details = finding["packageVulnerabilityDetails"]
        assert details["source"] == "REDHAT_CVE"
        assert details["vulnerablePackages"] == [
            {
                "arch": "X86_64",
                "epoch": 1,
                "fixedInVersion": "1:3.0.7-25.el9_3",
                "name": "openssl-libs",
                "packageManager": "OS",
                "release": "24.el9",
                "sourceLayerHash": image.layers[0].digest,
                "version": "3.0.7",
            }
        ]
        (resource,) = finding["resources"]
        assert resource["details"]["awsEcrContainerImage"]["platform"] == "RHEL_9_4"

    def test_languages_without_an_operating_system(self, app: App, tmp_path: Path) -> None:
        load(app, tmp_path / "osv", *ALL)
        enhanced(app.ecr(), "SCAN_ON_PUSH")
        answer = scan(app, image_of(LANGUAGES))
        assert answer["imageScanStatus"] == {"status": "COMPLETE", "description": DONE}
        assert len(answer["imageScanFindings"]["enhancedFindings"]) == 3

    def test_unsupported(self, app: App) -> None:
        enhanced(app.ecr())
        answer = scan(app, image_of({"etc/passwd": ""}))
        assert answer["imageScanStatus"] == {
            "status": "UNSUPPORTED_IMAGE",
            "description": UNSUPPORTED,
        }

    def test_new_vulnerabilities_are_found_in_what_was_scanned(
        self, app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        examined: list[str] = []
        examine = ImageExaminer.examine

        def counted(self: ImageExaminer, repository: Repository, image: Any, kind: str) -> Any:
            examined.append(image.digest)
            return examine(self, repository, image, kind)

        monkeypatch.setattr(ImageExaminer, "examine", counted)
        ecr = app.ecr()
        enhanced(ecr)
        image = image_of(DEBIAN)
        load(app, tmp_path / "0", MUSL)
        # What that queues is due by the machine's clock.
        app.clock.advance(timedelta(hours=1))
        scan(app, image)
        assert answer_about(ecr, image)["imageScanFindings"]["enhancedFindings"] == []
        app.clock.advance(timedelta(days=1))
        load(app, tmp_path / "1", OPENSSL)
        app.run_jobs()
        (first,) = answer_about(ecr, image)["imageScanFindings"]["enhancedFindings"]
        app.clock.advance(timedelta(days=1))
        load(app, tmp_path / "2", record("X-1", affected("npm", "a", versions=["1"])))
        app.run_jobs()
        (second,) = answer_about(ecr, image)["imageScanFindings"]["enhancedFindings"]
        assert second["findingArn"] == first["findingArn"]
        assert second["firstObservedAt"] == first["firstObservedAt"]
        assert second["lastObservedAt"] == first["lastObservedAt"] + timedelta(days=1)
        assert len(examined) == 3
        # Not so when it was scanned on push alone, or is no longer eligible.
        enhanced(ecr, "SCAN_ON_PUSH")
        load(app, tmp_path / "3", record("X-2", affected("npm", "a", versions=["1"])))
        app.run_jobs()
        enhanced(ecr)
        app.clock.advance(timedelta(days=15))
        load(app, tmp_path / "4", record("X-3", affected("npm", "a", versions=["1"])))
        app.run_jobs()
        assert len(examined) == 3


class TestVulnerabilityDatabase:
    def test_records_replace_older_ones(self, app: App, tmp_path: Path) -> None:
        image = image_of(DEBIAN)
        assert "1 new or changed in all" in load(app, tmp_path / "1", OPENSSL)
        assert "0 new or changed in all, 1 unchanged" in load(app, tmp_path / "2", OPENSSL)
        older = {**OPENSSL, "modified": "2020-01-01T00:00:00Z", "affected": []}
        newer = {
            **OPENSSL,
            "modified": "2026-05-01T00:00:00Z",
            "affected": [affected("Debian:12", "tzdata", ("introduced", "0"))],
        }
        assert "1 new or changed in all" in load(app, tmp_path / "3", newer)
        arguments = ["vulndb", "import", str(tmp_path / "old"), "--data-dir", str(app.folder)]
        (tmp_path / "old").mkdir()
        (tmp_path / "old" / "x.json").write_text(json.dumps(older))
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 1
        assert "1 of no use here" in result.output
        (finding,) = scan(app, image)["imageScanFindings"]["findings"]
        assert finding["attributes"][1] == {"key": "package_name", "value": "tzdata"}

    def test_withdrawn_records_go(self, app: App, tmp_path: Path) -> None:
        load(app, tmp_path / "1", OPENSSL, MUSL)
        withdrawn = {
            **OPENSSL,
            "modified": "2026-05-01T00:00:00Z",
            "withdrawn": "2026-05-01T00:00:00Z",
        }
        assert "1 removed" in load(app, tmp_path / "2", withdrawn)
        assert scan(app, image_of(DEBIAN))["imageScanFindings"]["findings"] == []

    def test_a_reset_leaves_it(self, app: App, tmp_path: Path) -> None:
        load(app, tmp_path / "1", OPENSSL)
        response = app.request("POST", "/_emulator/reset", environ={"REMOTE_ADDR": "127.0.0.1"})
        assert response.status_code == 200
        answer = scan(app, image_of(DEBIAN))
        assert names(answer["imageScanFindings"]["findings"]) == ["CVE-2026-1001"]

    def test_many(self, app: App, tmp_path: Path) -> None:
        """More than one transaction and one statement take."""
        documents = [
            record(f"X-{number}", affected("Debian:12", "openssl", ("introduced", "0")))
            for number in range(1100)
        ]
        assert "Debian:12: 1100 new or changed" in load(app, tmp_path / "osv", *documents)
        packages = [
            ("openssl", "1", ""),
            *((f"package{number}", "1", "") for number in range(1200)),
        ]
        answer = scan(app, image_of(debian(packages)))
        assert answer["imageScanFindings"]["findingSeverityCounts"] == {"UNDEFINED": 1100}
        assert len(answer["imageScanFindings"]["findings"]) == 100

    def test_no_database_to_load(self, app: App, tmp_path: Path) -> None:
        missing = str(tmp_path / "none")
        arguments = ["vulndb", "import", missing, "--data-dir", str(app.folder)]
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 1
        assert f"{missing} does not exist" in result.output

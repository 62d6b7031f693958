"""Findings in the API's shape, made of the vulnerabilities that packages have.

Sources: API reference DescribeImageScanFindings, its samples for basic and for enhanced
scanning; the names of attributes for CVSS 3 as observed. Times are text, as they are stored.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ecr_emulator.registry.images import Image
from ecr_emulator.registry.repository import Repository
from ecr_emulator.scanning.matching import Match, related_cves
from ecr_emulator.scanning.packages import OS, Distribution, Package
from ecr_emulator.scanning.severity import UNDEFINED, CvssScore

#: Amazon Inspector's word for UNDEFINED.
_UNTRIAGED = "UNTRIAGED"
#: Of a description, in characters.
_MAX_DESCRIPTION = 2000
#: The service model's bound on an attribute's value.
_MAX_ATTRIBUTE = 256
#: Packages that a title names.
_IN_TITLE = 2
_NAMESPACE = uuid.UUID("0b1f7d0e-6f0e-5f5c-9a3d-0b6a3b1f4c27")
_SOURCES = {"debian": "DEBIAN_CVE", "rhel": "REDHAT_CVE", "ubuntu": "UBUNTU_CVE"}


@dataclass(frozen=True, slots=True)
class ScannedImage:
    """The image that findings are about.

    :ivar architecture: by its configuration, if that says.
    :ivar author: likewise.
    """

    repository: Repository
    image: Image
    tags: tuple[str, ...]
    architecture: str
    author: str


def basic_findings(matches: Iterable[Match]) -> tuple[dict[str, Any], ...]:
    """Return the findings of a basic scan: one for each vulnerability of each source package."""
    findings: dict[tuple[str, str, str], dict[str, Any]] = {}
    for match in matches:
        package = match.package
        name = package.source_name or package.name
        version = package.source_version or package.version
        findings.setdefault(
            (match.name, name, version),
            {
                "name": match.name,
                "description": _description(match),
                "uri": _uri(match),
                "severity": match.severity,
                "attributes": [
                    _attribute("package_version", version),
                    _attribute("package_name", name),
                    *_score_attributes(match.scores),
                ],
            },
        )
    return tuple(findings.values())


def _score_attributes(scores: Sequence[CvssScore]) -> list[dict[str, str]]:
    attributes: list[dict[str, str]] = []
    for score in scores:
        attributes.append(_attribute(f"CVSS{score.major}_VECTOR", score.vector))
        attributes.append(_attribute(f"CVSS{score.major}_SCORE", str(score.score)))
    return attributes


def _attribute(key: str, value: str) -> dict[str, str]:
    return {"key": key, "value": value[:_MAX_ATTRIBUTE]}


def enhanced_findings(
    matches: Iterable[Match],
    scanned: ScannedImage,
    distribution: Distribution | None,
    now: datetime,
) -> tuple[dict[str, Any], ...]:
    """Return the findings of an enhanced scan: one for each vulnerability of the image.

    What the emulator cannot know is left out: exploits, and what runs where.
    """
    by_name: dict[str, list[Match]] = {}
    for match in matches:
        by_name.setdefault(match.name, []).append(match)
    resource = _resource(scanned, distribution)
    return tuple(
        _enhanced_finding(group, scanned, resource, distribution, now) for group in by_name.values()
    )


def _enhanced_finding(
    group: Sequence[Match],
    scanned: ScannedImage,
    resource: dict[str, Any],
    distribution: Distribution | None,
    now: datetime,
) -> dict[str, Any]:
    first = group[0]
    key = scanned.repository.key
    arn = f"arn:{key.partition}:inspector2:{key.region}:{key.account}:finding/"
    names = list(dict.fromkeys(match.package.name for match in group))
    finding: dict[str, Any] = {
        "awsAccountId": key.account,
        "description": _description(first),
        "findingArn": arn + uuid.uuid5(_NAMESPACE, f"{resource['id']} {first.name}").hex,
        "firstObservedAt": now.isoformat(),
        "lastObservedAt": now.isoformat(),
        "packageVulnerabilityDetails": _details(group, distribution),
        "remediation": {"recommendation": {"text": "None Provided"}},
        "resources": [resource],
        "severity": _UNTRIAGED if first.severity == UNDEFINED else first.severity,
        "status": "ACTIVE",
        "title": f"{first.name} - {_some(names)}",
        "type": "PACKAGE_VULNERABILITY",
        "updatedAt": now.isoformat(),
        "fixAvailable": _fix_available(group),
    }
    if first.scores:
        score = first.scores[0]
        finding["score"] = score.score
        finding["scoreDetails"] = {
            "cvss": {
                "adjustments": [],
                "score": score.score,
                "scoreSource": _source(first, distribution),
                "scoringVector": score.vector,
                "version": score.version,
            }
        }
    return finding


def _details(group: Sequence[Match], distribution: Distribution | None) -> dict[str, Any]:
    first = group[0]
    advisory = first.advisory
    source = _source(first, distribution)
    related = dict.fromkeys((*related_cves(advisory), *advisory.aliases, advisory.id))
    related.pop(first.name, None)
    return {
        "cvss": [
            {
                "baseScore": score.score,
                "scoringVector": score.vector,
                "source": source,
                "version": score.version,
            }
            for score in first.scores
        ],
        "referenceUrls": list(advisory.references),
        "relatedVulnerabilities": list(related),
        "source": source,
        "sourceUrl": _uri(first),
        "vendorCreatedAt": advisory.published or None,
        "vendorSeverity": advisory.rating or None,
        "vendorUpdatedAt": advisory.modified or None,
        "vulnerabilityId": first.name,
        "vulnerablePackages": [_vulnerable_package(match) for match in group],
    }


def _vulnerable_package(match: Match) -> dict[str, Any]:
    package = match.package
    described: dict[str, Any] = {
        "name": package.name,
        "packageManager": package.manager,
        "sourceLayerHash": package.layer or None,
        "version": package.version,
        "fixedInVersion": match.fixed_in or "NotAvailable",
    }
    if package.manager != OS:
        return {**described, "filePath": package.path}
    epoch, version, release = _split_version(package)
    return {
        **described,
        "arch": package.arch.upper() or None,
        "epoch": epoch,
        "version": version,
        "release": release or None,
    }


def _split_version(package: Package) -> tuple[int, str, str]:
    """Return epoch, version and release of a distribution's package."""
    epoch, colon, rest = package.version.partition(":")
    if not (colon and epoch.isdigit() and len(epoch) < 9):
        epoch, rest = "0", package.version
    version, _, release = rest.rpartition("-")
    return (int(epoch), version, release) if version else (int(epoch), rest, "")


def _resource(scanned: ScannedImage, distribution: Distribution | None) -> dict[str, Any]:
    repository, image = scanned.repository, scanned.image
    details = {
        "architecture": scanned.architecture or None,
        "author": scanned.author or None,
        "imageHash": image.digest,
        "imageTags": list(scanned.tags),
        "platform": _platform(distribution),
        "pushedAt": image.pushed_at.isoformat(),
        "registry": repository.key.account,
        "repositoryName": repository.name,
    }
    return {
        "details": {"awsEcrContainerImage": details},
        "id": f"{repository.arn}/{image.digest}",
        "tags": {},
        "type": "AWS_ECR_CONTAINER_IMAGE",
    }


def _platform(distribution: Distribution | None) -> str | None:
    """Return a platform as Inspector writes it: ``DEBIAN_12``."""
    if distribution is None:
        return None
    name = f"{distribution.id}_{distribution.version}" if distribution.version else distribution.id
    return name.upper().replace(".", "_").replace("-", "_")


def _fix_available(group: Sequence[Match]) -> str:
    fixed = [bool(match.fixed_in) for match in group]
    if all(fixed):
        return "YES"
    return "PARTIAL" if any(fixed) else "NO"


def _source(match: Match, distribution: Distribution | None) -> str:
    if match.package.manager == OS and distribution is not None:
        return _SOURCES.get(distribution.id, "OSV")
    return "OSV"


def _uri(match: Match) -> str:
    advisory = match.advisory
    if advisory.references:
        return advisory.references[0]
    return f"https://osv.dev/vulnerability/{advisory.id}"


def _description(match: Match) -> str | None:
    return (match.advisory.details or match.advisory.summary)[:_MAX_DESCRIPTION] or None


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_IN_TITLE])
    rest = len(names) - _IN_TITLE
    return shown if rest <= 0 else f"{shown} and {rest} more"

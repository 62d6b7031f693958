"""Scanning: configurations of registry and repositories, scans and what they found."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ecr_emulator.aws.ecr.context import EcrContext, Params, page_size
from ecr_emulator.aws.ecr.operation import operation
from ecr_emulator.aws.image_ids import named_image
from ecr_emulator.aws.model import load_service
from ecr_emulator.registry.image_scans import ScanReport, ScanStatus, ScanSummary
from ecr_emulator.registry.images import ImageId
from ecr_emulator.registry.scan_pins import ENHANCED_FINDINGS, FINDINGS
from ecr_emulator.registry.scanning_rules import (
    BASIC,
    ENHANCED,
    ScanningConfiguration,
    ScanningRule,
)


@operation("GetRegistryScanningConfiguration")
def get_registry_scanning_configuration(context: EcrContext, params: Params) -> dict[str, Any]:
    """Return how the registry is scanned."""
    key = context.key(params)
    configuration = context.registry.scanning.get(key)
    return {"registryId": key.account, "scanningConfiguration": _configuration(configuration)}


@operation("PutRegistryScanningConfiguration")
def put_registry_scanning_configuration(context: EcrContext, params: Params) -> dict[str, Any]:
    """Give the registry a scanning configuration in place of the one it has."""
    configuration = ScanningConfiguration(
        params.get("scanType", BASIC),
        tuple(
            ScanningRule(
                rule["scanFrequency"],
                tuple(item["filter"] for item in rule["repositoryFilters"]),
            )
            for rule in params.get("rules") or ()
        ),
    )
    context.registry.scanning.put(context.key(params), configuration)
    return {"registryScanningConfiguration": _configuration(configuration)}


@operation("BatchGetRepositoryScanningConfiguration")
def batch_get_repository_scanning_configuration(
    context: EcrContext, params: Params
) -> dict[str, Any]:
    """Return how repositories are scanned."""
    found, missing = context.registry.scanning.of_repositories(
        context.key(params), params["repositoryNames"]
    )
    return {
        "scanningConfigurations": [
            {
                "repositoryArn": item.repository.arn,
                "repositoryName": item.repository.name,
                # The repository's own setting, whatever the registry's rules say: observed.
                "scanOnPush": item.repository.scan_on_push,
                "scanFrequency": item.frequency,
                "appliedScanFilters": _filters(item.filters),
            }
            for item in found
        ],
        "failures": [
            {
                "repositoryName": name,
                "failureCode": "REPOSITORY_NOT_FOUND",
                "failureReason": "REPOSITORY_NOT_FOUND",
            }
            for name in missing
        ],
    }


@operation("StartImageScan")
def start_image_scan(context: EcrContext, params: Params) -> dict[str, Any]:
    """Start a basic scan of an image."""
    key, name = context.key(params), params["repositoryName"]
    report = context.registry.scans.start(key, name, _asked(params))
    return {
        "registryId": key.account,
        "repositoryName": name,
        "imageId": _image_id(report, params),
        "imageScanStatus": _status(report.status),
    }


@operation("DescribeImageScanFindings")
def describe_image_scan_findings(context: EcrContext, params: Params) -> dict[str, Any]:
    """Return where the scan of an image stands and what it found, a page at a time."""
    key, name, asked = context.key(params), params["repositoryName"], _asked(params)
    limit = page_size(params)
    bound_to = (
        "DescribeImageScanFindings",
        key.account,
        key.region,
        name,
        asked.digest,
        asked.tag,
    )
    report, found = context.registry.scans.report(
        key, name, asked, after=context.position(params, *bound_to) or 0, limit=limit + 1
    )
    output: dict[str, Any] = {
        "registryId": key.account,
        "repositoryName": name,
        "imageId": _image_id(report, params),
        "imageScanStatus": _status(report.status),
    }
    if report.summary is not None:
        member = ENHANCED_FINDINGS if report.scan_type == ENHANCED else FINDINGS
        output["imageScanFindings"] = {
            **_summary(report.summary),
            member: [with_times(item.document) for item in found[:limit]],
        }
    if len(found) > limit:
        output["nextToken"] = context.next_token(found[limit - 1].position, *bound_to)
    return output


#: What DescribeImages tells of an image's scan.
SCAN_MEMBERS = ("imageScanStatus", "imageScanFindingsSummary")


def scan_values(report: ScanReport | None) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Return the values of :data:`SCAN_MEMBERS` for an image, of whose scan there may be none."""
    if report is None:
        return None, None
    return _status(report.status), None if report.summary is None else _summary(report.summary)


def check_findings(findings: Mapping[str, Any]) -> None:
    """Check lists of findings that DescribeImageScanFindings is to answer, by their members.

    :raises ValueError: they are not in the shape of its model.
    """
    write = load_service("ecr").operations["DescribeImageScanFindings"].serialize
    for member, found in findings.items():
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            raise ValueError(f"{member} must be a list of objects")
        try:
            write({"imageScanFindings": {member: [with_times(item) for item in found]}})
        except (TypeError, ValueError) as error:
            raise ValueError(f"{member}: {error}") from None


#: Where a finding has times: names of members, ``*`` for each item of a list.
_TIMES = (
    ("firstObservedAt",),
    ("lastObservedAt",),
    ("updatedAt",),
    ("packageVulnerabilityDetails", "vendorCreatedAt"),
    ("packageVulnerabilityDetails", "vendorUpdatedAt"),
    ("resources", "*", "details", "awsEcrContainerImage", "pushedAt"),
    ("resources", "*", "details", "awsEcrContainerImage", "lastInUseAt"),
)


def with_times(finding: dict[str, Any]) -> dict[str, Any]:
    """Return a stored finding with datetimes for its times.

    :raises ValueError: one of them is no time.
    """
    for path in _TIMES:
        finding = _replace_time(finding, path)
    return finding


def _replace_time(value: Any, path: tuple[str, ...]) -> Any:
    if not path:
        return _parse_time(value)
    if path[0] == "*":
        if not isinstance(value, list):
            return value
        return [_replace_time(item, path[1:]) for item in value]
    if not isinstance(value, dict) or value.get(path[0]) is None:
        return value
    return {**value, path[0]: _replace_time(value[path[0]], path[1:])}


def _parse_time(value: Any) -> datetime:
    """Read a time as text (ISO 8601) or as a number (seconds since the epoch), in UTC."""
    try:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, timezone.utc)
        if isinstance(value, str):
            # Python 3.10 does not read the Z.
            parsed = datetime.fromisoformat(value[:-1] + "+00:00" if value[-1:] == "Z" else value)
            return parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)
    except (ValueError, OverflowError, OSError):
        pass
    raise ValueError("not a time")


def _configuration(configuration: ScanningConfiguration) -> dict[str, Any]:
    return {
        "scanType": configuration.scan_type,
        "rules": [
            {"scanFrequency": rule.frequency, "repositoryFilters": _filters(rule.filters)}
            for rule in configuration.rules
        ],
    }


def _filters(filters: tuple[str, ...]) -> list[dict[str, str]]:
    return [{"filter": item, "filterType": "WILDCARD"} for item in filters]


def _asked(params: Params) -> ImageId:
    return named_image(params["imageId"])


def _image_id(report: ScanReport, params: Params) -> dict[str, Any]:
    return {
        "imageDigest": report.digest,
        "imageTag": params["imageId"].get("imageTag"),
    }


def _status(status: ScanStatus) -> dict[str, Any]:
    return {"status": status.status, "description": status.description}


def _summary(summary: ScanSummary) -> dict[str, Any]:
    return {
        "imageScanCompletedAt": summary.completed_at,
        "vulnerabilitySourceUpdatedAt": summary.source_updated_at,
        "findingSeverityCounts": dict(summary.severity_counts),
    }

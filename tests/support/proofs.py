"""Which test proves what of an operation, and what there is to be proved.

``tests/aws/proofs.json`` claims, for each operation, which test sees which member of its input
and of its answer, and which of its errors. While tests run (:mod:`.sightings_plugin`), each claim
is held against what its test really sees, so the file cannot say more than is true. What it has to
claim follows from the services' models: :func:`to_be_seen`.

What is seen has one of these names:

* ``least``: the call with nothing in it but the members that it must have, answered.
* ``input imageIds[].imageTag``: a member, by its path, of a call that was answered. Only what has
  no members of its own counts.
* ``output imageScanFindings.findingSeverityCounts{}``: a member of an answer, likewise.
* ``error KmsException``, ``error KmsException.kmsError``: an error, and a member of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ecr_emulator.aws.ecr import operations as ecr_operations
from ecr_emulator.aws.ecr_public import operations as ecr_public_operations
from ecr_emulator.aws.operations import Operations
from tests.aws.strategies import described

PROOFS = Path(__file__).parent.parent / "aws" / "proofs.json"

#: The operations that the doors serve, by service.
SERVED: dict[str, Operations[Any]] = {
    operations.service.name: operations for operations in (ecr_operations, ecr_public_operations)
}

#: An operation by service and name.
OperationKey = tuple[str, str]
#: By operation (``ecr.PutImage``) and test: what the test sees of it.
Proofs = dict[str, dict[str, list[str]]]


class Unproven(NamedTuple):
    """What no test can see, and why.

    :ivar operations: as ``ecr.PutImage``, with blanks between.
    :ivar what: names of what is seen, with commas between.
    """

    operations: str
    what: str
    reason: str

    def covers(self, key: str, name: str) -> bool:
        """Say whether it is about *name* of the operation *key*."""
        return key in self.operations.split() and name in self.what.split(", ")


#: The operations that have no input, or none that could be wrong once its form is right.
_NO_INPUT = (
    "ecr.DeleteRegistryPolicy ecr.DescribeRegistry ecr.GetRegistryPolicy "
    "ecr.GetRegistryScanningConfiguration ecr.GetSigningConfiguration "
    "ecr.DeleteSigningConfiguration ecr-public.GetAuthorizationToken"
)
UNPROVEN = (
    Unproven(
        _NO_INPUT,
        "error InvalidParameterException, error ValidationException",
        "the operation has no input that could be refused (API reference: no parameters)",
    ),
    Unproven(
        "ecr.DeleteRepositoryCreationTemplate ecr.DeregisterPullTimeUpdateExclusion "
        "ecr.PutSigningConfiguration ecr.RegisterPullTimeUpdateExclusion "
        "ecr.StopReplicationBackfill",
        "error InvalidParameterException",
        "of the two errors for values that are not allowed it answers ValidationException "
        "(ecr_emulator/aws/validation.py, COUNTED_FORM: likeliest)",
    ),
    Unproven(
        "ecr.BatchGetRepositoryScanningConfiguration ecr.CreatePullThroughCacheRule "
        "ecr.DeleteLifecyclePolicy ecr.DeletePullThroughCacheRule ecr.DescribeImageScanFindings "
        "ecr.DescribePullThroughCacheRules ecr.GetLifecyclePolicy ecr.GetLifecyclePolicyPreview "
        "ecr.PutImageScanningConfiguration ecr.PutLifecyclePolicy ecr.StartLifecyclePolicyPreview "
        "ecr.UpdatePullThroughCacheRule ecr.ValidatePullThroughCacheRule",
        "error ValidationException",
        "of the two errors for values that are not allowed it answers InvalidParameterException "
        "(ecr_emulator/aws/validation.py, COUNTED_FORM: observed of some, likeliest of the others)",
    ),
    Unproven(
        "ecr.DeleteRepository",
        "error KmsException, error KmsException.kmsError",
        "ECR gives its grants on the key back; keys have none here, and deleting needs no key",
    ),
    Unproven(
        "ecr.CreatePullThroughCacheRule ecr.UpdatePullThroughCacheRule",
        "error UnableToDecryptSecretValueException",
        "KMS refuses ECR the key of the secret; secrets have none here",
    ),
    Unproven(
        "ecr.PutRegistryScanningConfiguration",
        "error BlockedByOrganizationPolicyException",
        "a policy of AWS Organizations forbids it; there are no organizations here",
    ),
    Unproven(
        "ecr.DeregisterPullTimeUpdateExclusion "
        "ecr.ListPullTimeUpdateExclusions ecr.PutAccountSetting",
        "error LimitExceededException",
        "the operation adds nothing that a quota counts (user guide: service quotas)",
    ),
    Unproven(
        "ecr.UntagResource ecr-public.UntagResource",
        "error TooManyTagsException",
        "tags are taken away, which cannot leave too many (API reference: UntagResource)",
    ),
    Unproven(
        "ecr.BatchGetRepositoryScanningConfiguration",
        "error RepositoryNotFoundException",
        "a missing repository is one of its failures (API reference: "
        "RepositoryScanningConfigurationFailure has that one code)",
    ),
    Unproven(
        "ecr.StartImageScan",
        "output imageScanStatus.description",
        "a scan that has just begun has none (user guide: image scanning, sample answers)",
    ),
    Unproven(
        "ecr.UpdatePullThroughCacheRule",
        "least",
        "with nothing to update it refuses (observed text)",
    ),
    Unproven(
        "ecr-public.PutImage",
        "error ImageTagAlreadyExistsException",
        "tags of public repositories can always be moved (API reference: there is no setting)",
    ),
    Unproven(
        "ecr-public.GetRepositoryCatalogData",
        "error RepositoryCatalogDataNotFoundException",
        "a repository without catalog data answers with empty data (likeliest: Terraform's "
        "provider asks for those of every repository)",
    ),
    Unproven(
        "ecr-public.CreateRepository ecr-public.GetRepositoryCatalogData "
        "ecr-public.PutRepositoryCatalogData",
        "output catalogData.marketplaceCertified",
        "set for sellers on AWS Marketplace, of which there is none here",
    ),
    Unproven(
        "ecr-public.DescribeRegistries",
        "input nextToken, output nextToken",
        "an account has one registry, which fits on every page",
    ),
)


def to_be_seen(service: str, operation: str) -> set[str]:
    """Return every member of an operation's input and answer and every error of its model."""
    model = described(service)
    shapes, operation_model = model["shapes"], model["operations"][operation]
    expected = {"least"}
    for direction in ("input", "output"):
        members = members_of(shapes, operation_model[direction]["shape"])
        expected.update(f"{direction} {path}" for path in members)
    for error in operation_model["errors"]:
        name = error["shape"]
        expected.add(f"error {name}")
        expected.update(
            f"error {name}.{member}" for member in shapes[name]["members"] if member != "message"
        )
    return expected


#: Stands for a value that has every member.
EVERYTHING: Any = object()


def members_of(
    shapes: dict[str, Any], name: str, value: Any = EVERYTHING, path: str = ""
) -> Iterator[str]:
    """Yield the paths of what has no members of its own, in a shape or in a value of it.

    The model tells what is a member: the keys of a map are not.
    """
    shape = shapes[name]
    kind = shape["type"]
    whole = value is EVERYTHING
    if kind == "structure":
        for member, reference in shape["members"].items():
            if whole or member in value:
                item = value if whole else value[member]
                inner = f"{path}.{member}".lstrip(".")
                yield from members_of(shapes, reference["shape"], item, inner)
    elif kind == "list":
        for item in [value] if whole else value:
            yield from members_of(shapes, shape["member"]["shape"], item, f"{path}[]")
    elif kind == "map":
        for item in [value] if whole else value.values():
            yield from members_of(shapes, shape["value"]["shape"], item, f"{path}{{}}")
    else:
        yield path


def read_proofs() -> Proofs:
    """Return what the tests are claimed to see."""
    proofs: Proofs = json.loads(PROOFS.read_text()) if PROOFS.exists() else {}
    return proofs


def claims_of(proofs: Proofs) -> dict[str, dict[OperationKey, set[str]]]:
    """Return what each test is claimed to see, by test and operation."""
    claims: dict[str, dict[OperationKey, set[str]]] = {}
    for key, by_test in proofs.items():
        service, _, operation = key.partition(".")
        for test, seen in by_test.items():
            claims.setdefault(test, {})[service, operation] = set(seen)
    return claims


def lost(claimed: Iterable[str], collected: Iterable[str]) -> list[str]:
    """Return the tests that are claimed to see something, and are not in their files any more.

    :param collected: all tests of some files, of which alone something can be told.
    """
    there = set(collected)
    files = {test.partition("::")[0] for test in there}
    return sorted(
        test for test in claimed if test.partition("::")[0] in files and test not in there
    )


def unproven(service: str, operation: str, proofs: Proofs) -> list[str]:
    """Return what no test is claimed to see of an operation, though it can be seen."""
    key = f"{service}.{operation}"
    seen = {name for names in proofs.get(key, {}).values() for name in names}
    return sorted(
        name
        for name in to_be_seen(service, operation) - seen
        if not any(entry.covers(key, name) for entry in UNPROVEN)
    )

"""Names of registries and repositories: registry keys and ARNs.

ARN forms: Service Authorization Reference, "Resource types defined by Amazon ECR".
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass

_REPOSITORY_ARN = re.compile(
    r"arn:(aws[a-z-]{0,16}):ecr:([a-z0-9-]{2,25}):([0-9]{12}):repository/([a-z0-9._/-]{1,256})\Z"
)
_ALIAS_NAMESPACE = uuid.UUID("6f0d2b0c-7a2f-5c64-9f5e-0b8f6d1f3c11")


@dataclass(frozen=True, slots=True)
class RegistryKey:
    """A private registry: one AWS account in one region."""

    account: str
    region: str

    @property
    def partition(self) -> str:
        """The AWS partition that the region belongs to."""
        return partition_of(self.region)

    def repository_arn(self, name: str) -> str:
        """Return the ARN of the repository *name* in this registry."""
        return f"arn:{self.partition}:ecr:{self.region}:{self.account}:repository/{name}"


def partition_of(region: str) -> str:
    """Return the partition of *region*: ``aws``, ``aws-cn`` or ``aws-us-gov``."""
    if region.startswith("cn-"):
        return "aws-cn"
    if region.startswith("us-gov-"):
        return "aws-us-gov"
    return "aws"


def parse_repository_arn(arn: str) -> tuple[RegistryKey, str] | None:
    """Return the registry and repository name that *arn* names, or ``None`` if it names none."""
    match = _REPOSITORY_ARN.match(arn)
    if match is None:
        return None
    partition, region, account, name = match.groups()
    key = RegistryKey(account, region)
    return (key, name) if key.partition == partition else None


def kms_key_arn(key: RegistryKey, reference: str) -> str:
    """Return the full key ARN for a KMS key id, key ARN or alias *reference*.

    The emulator holds no KMS: an alias stands for a key whose id is derived from its name,
    the same one every time, as ECR shows the key behind an alias and never the alias.
    """
    prefix = f"arn:{key.partition}:kms:{key.region}:{key.account}:"
    if reference.startswith("arn:"):
        if ":alias/" not in reference:
            return reference
        prefix = reference[: reference.index(":alias/") + 1]
        reference = reference[len(prefix) :]
    if reference.startswith("alias/"):
        return f"{prefix}key/{uuid.uuid5(_ALIAS_NAMESPACE, prefix + reference)}"
    return f"{prefix}key/{reference}"

"""Names of registries and repositories: registry keys and ARNs.

ARN forms: Service Authorization Reference, "Resource types defined by Amazon ECR" and the page
for ECR Public, whose ARNs have no region.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass

_REPOSITORY_ARN = re.compile(
    r"arn:(aws[a-z-]{0,16}):ecr:([a-z0-9-]{2,25}):([0-9]{12}):repository/([a-z0-9._/-]{1,256})\Z"
)
_PUBLIC_REPOSITORY_ARN = re.compile(
    r"arn:aws:ecr-public::([0-9]{12}):repository/([a-z0-9._/-]{1,256})\Z"
)
_ALIAS_NAMESPACE = uuid.UUID("6f0d2b0c-7a2f-5c64-9f5e-0b8f6d1f3c11")


#: What stands for the region in the key of a public registry, of which an account has one.
#: No region is called so.
PUBLIC = "public"


@dataclass(frozen=True, slots=True)
class RegistryKey:
    """A registry: the private one of an AWS account in a region, or the account's public one.

    :ivar region: the region of a private registry; :data:`PUBLIC` for a public one.
    """

    account: str
    region: str

    @property
    def is_public(self) -> bool:
        """Whether this is a public registry (ECR Public)."""
        return self.region == PUBLIC

    @property
    def service(self) -> str:
        """The service whose registry this is, as IAM actions name it."""
        return "ecr-public" if self.region == PUBLIC else "ecr"

    @property
    def partition(self) -> str:
        """The AWS partition that the region belongs to."""
        return partition_of(self.region)

    def repository_arn(self, name: str) -> str:
        """Return the ARN of the repository *name* in this registry."""
        region = "" if self.is_public else self.region
        return f"arn:{self.partition}:{self.service}:{region}:{self.account}:repository/{name}"


def public_registry(account: str) -> RegistryKey:
    """Return the key of the public registry of *account*."""
    return RegistryKey(account, PUBLIC)


def partition_of(region: str) -> str:
    """Return the partition of *region*: ``aws``, ``aws-cn`` or ``aws-us-gov``."""
    if region.startswith("cn-"):
        return "aws-cn"
    if region.startswith("us-gov-"):
        return "aws-us-gov"
    return "aws"


def parse_repository_arn(arn: str) -> tuple[RegistryKey, str] | None:
    """Return the registry and repository name that *arn* names, or ``None`` if it names none."""
    public = _PUBLIC_REPOSITORY_ARN.match(arn)
    if public is not None:
        return public_registry(public.group(1)), public.group(2)
    match = _REPOSITORY_ARN.match(arn)
    if match is None:
        return None
    partition, region, account, name = match.groups()
    key = RegistryKey(account, region)
    return (key, name) if key.partition == partition and not key.is_public else None


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

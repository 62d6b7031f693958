"""How much a registry may hold: the quotas that AWS has by default, and those a setting changes.

Sources: "Amazon ECR service quotas" (user guide), "Amazon ECR Public service quotas" (public user
guide), which both state the numbers. The number of creation templates is recalled; that of public
repositories is the one that private registries had when it was set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from ecr_emulator.arns import RegistryKey


@dataclass(frozen=True, slots=True)
class Quotas:
    """The quotas of one registry.

    :ivar layer_parts: of an upload by the API's layer operations; others have no parts.
    :ivar layer_size: of a layer, in MiB.
    """

    repositories_per_registry: int = 100_000
    images_per_repository: int = 100_000
    tags_per_image: int = 1_000
    layer_parts: int = 4_200
    layer_size: int = 52_000
    pull_through_cache_rules: int = 50
    repository_creation_templates: int = 50

    @property
    def layer_bytes(self) -> int:
        """The size of the largest layer, in bytes."""
        return self.layer_size * 1024**2


_PRIVATE = Quotas()
_PUBLIC = Quotas(repositories_per_registry=10_000, layer_parts=1_000, layer_size=10_000)

#: The quotas' names as a setting has them: ``images-per-repository``.
QUOTA_NAMES = tuple(field.name.replace("_", "-") for field in fields(Quotas))


class ServiceQuotas:
    """The quotas of every registry.

    :param changes: numbers for quotas by name (:data:`QUOTA_NAMES`), in place of AWS's.
    """

    def __init__(self, changes: Mapping[str, int]) -> None:
        changed = {name.replace("-", "_"): number for name, number in changes.items()}
        self._private = replace(_PRIVATE, **changed)
        self._public = replace(_PUBLIC, **changed)

    def of(self, key: RegistryKey) -> Quotas:
        """Return the quotas of the registry *key*."""
        return self._public if key.is_public else self._private

"""Which actions exist: the names a policy may use for Amazon ECR and ECR Public."""

from __future__ import annotations

from collections.abc import Iterable

#: Actions that are checked but have no operation of that name ("Actions, resources, and
#: condition keys for Amazon Elastic Container Registry", Service Authorization Reference).
PERMISSION_ONLY: dict[str, tuple[str, ...]] = {
    "ecr": ("BatchImportUpstreamImage", "GetImageCopyStatus", "ReplicateImage"),
    "ecr-public": (),
}


def action_names(service: str, operations: Iterable[str]) -> frozenset[str]:
    """Return every action of *service* (``ecr`` or ``ecr-public``), as ``ecr:PutImage``.

    :param operations: the names of the operations in the service's model.
    """
    names = {*operations, *PERMISSION_ONLY[service]}
    return frozenset(f"{service}:{name}" for name in names)

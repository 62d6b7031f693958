"""Which actions a call of the OCI distribution protocol needs.

"IAM permissions for pushing an image to an Amazon ECR private repository", "Private repository
policy examples" and "Blob mounting" (ECR User Guide); that a blob's HEAD asks for
``BatchCheckLayerAvailability`` was observed. Deleting, listing tags and repositories, and the
state of an upload are not documented: they ask for the action of the operation that does the same.
What the table says is always needed the OCI door asks for (:func:`needed`); the rest is
asked for where it is known whether it is needed.
"""

from __future__ import annotations

import enum

from ecr_emulator.arns import RegistryKey

from .actions import OPERATIONS, Requirement, ResourceType, When


class Call(enum.Enum):
    """The calls of the protocol, named for what they do."""

    PING = "GET /v2/"
    GET_MANIFEST = "GET /v2/<name>/manifests/<reference>"
    HEAD_MANIFEST = "HEAD /v2/<name>/manifests/<reference>"
    PUT_MANIFEST = "PUT /v2/<name>/manifests/<reference>"
    DELETE_MANIFEST = "DELETE /v2/<name>/manifests/<reference>"
    DELETE_BLOB = "DELETE /v2/<name>/blobs/<digest>"
    GET_BLOB = "GET /v2/<name>/blobs/<digest>"
    HEAD_BLOB = "HEAD /v2/<name>/blobs/<digest>"
    START_UPLOAD = "POST /v2/<name>/blobs/uploads/"
    UPLOAD_CHUNK = "PATCH /v2/<name>/blobs/uploads/<id>"
    FINISH_UPLOAD = "PUT /v2/<name>/blobs/uploads/<id>"
    UPLOAD_STATE = "GET /v2/<name>/blobs/uploads/<id>"
    CANCEL_UPLOAD = "DELETE /v2/<name>/blobs/uploads/<id>"
    LIST_TAGS = "GET /v2/<name>/tags/list"
    LIST_REFERRERS = "GET /v2/<name>/referrers/<digest>"
    CATALOG = "GET /v2/_catalog"


_MOUNT = Requirement("ecr:GetDownloadUrlForLayer", ResourceType.REPOSITORY, When.MOUNT)

#: The calls of a private registry. A ping is answered to any valid token.
PRIVATE_CALLS: dict[Call, tuple[Requirement, ...]] = {
    Call.PING: (),
    Call.GET_MANIFEST: OPERATIONS["ecr"]["BatchGetImage"],
    Call.HEAD_MANIFEST: OPERATIONS["ecr"]["BatchGetImage"],
    Call.PUT_MANIFEST: OPERATIONS["ecr"]["PutImage"],
    Call.DELETE_MANIFEST: OPERATIONS["ecr"]["BatchDeleteImage"],
    Call.DELETE_BLOB: OPERATIONS["ecr"]["BatchDeleteImage"],
    Call.GET_BLOB: OPERATIONS["ecr"]["GetDownloadUrlForLayer"],
    Call.HEAD_BLOB: OPERATIONS["ecr"]["BatchCheckLayerAvailability"],
    Call.START_UPLOAD: (*OPERATIONS["ecr"]["InitiateLayerUpload"], _MOUNT),
    Call.UPLOAD_CHUNK: OPERATIONS["ecr"]["UploadLayerPart"],
    Call.FINISH_UPLOAD: OPERATIONS["ecr"]["CompleteLayerUpload"],
    Call.UPLOAD_STATE: OPERATIONS["ecr"]["UploadLayerPart"],
    Call.CANCEL_UPLOAD: OPERATIONS["ecr"]["UploadLayerPart"],
    Call.LIST_TAGS: OPERATIONS["ecr"]["ListImages"],
    Call.LIST_REFERRERS: OPERATIONS["ecr"]["ListImageReferrers"],
    Call.CATALOG: OPERATIONS["ecr"]["DescribeRepositories"],
}

#: The calls of a public registry. Anyone may pull, and no policy can deny it ("Public repository
#: policies", ECR Public User Guide), so reading needs no action.
PUBLIC_CALLS: dict[Call, tuple[Requirement, ...]] = {
    Call.PING: (),
    Call.GET_MANIFEST: (),
    Call.HEAD_MANIFEST: (),
    Call.PUT_MANIFEST: OPERATIONS["ecr-public"]["PutImage"],
    Call.DELETE_MANIFEST: OPERATIONS["ecr-public"]["BatchDeleteImage"],
    Call.DELETE_BLOB: OPERATIONS["ecr-public"]["BatchDeleteImage"],
    Call.GET_BLOB: (),
    Call.HEAD_BLOB: (),
    Call.START_UPLOAD: OPERATIONS["ecr-public"]["InitiateLayerUpload"],
    Call.UPLOAD_CHUNK: OPERATIONS["ecr-public"]["UploadLayerPart"],
    Call.FINISH_UPLOAD: OPERATIONS["ecr-public"]["CompleteLayerUpload"],
    Call.UPLOAD_STATE: OPERATIONS["ecr-public"]["UploadLayerPart"],
    Call.CANCEL_UPLOAD: OPERATIONS["ecr-public"]["UploadLayerPart"],
    Call.LIST_TAGS: (),
    Call.LIST_REFERRERS: (),
    Call.CATALOG: OPERATIONS["ecr-public"]["DescribeRepositories"],
}


def needed(key: RegistryKey, call: Call, when: When = When.ALWAYS) -> tuple[str, ...]:
    """Return the actions that a call to a registry needs: always, or in a certain case."""
    return _NEEDED[key.is_public].get((call, when), ())


def _by_case(
    calls: dict[Call, tuple[Requirement, ...]],
) -> dict[tuple[Call, When], tuple[str, ...]]:
    cases: dict[tuple[Call, When], tuple[str, ...]] = {}
    for call, requirements in calls.items():
        for item in requirements:
            cases[call, item.when] = (*cases.get((call, item.when), ()), item.action)
    return cases


_NEEDED = {False: _by_case(PRIVATE_CALLS), True: _by_case(PUBLIC_CALLS)}

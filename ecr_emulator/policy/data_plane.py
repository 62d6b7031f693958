"""Which actions a call of the OCI distribution protocol needs.

"IAM permissions for pushing an image to an Amazon ECR private repository", "Private repository
policy examples" and "Blob mounting" (ECR User Guide); that a blob's HEAD asks for
``BatchCheckLayerAvailability`` was observed. Deleting, listing tags and repositories, and the
state of an upload are not documented: they ask for the action of the operation that does the same.
"""

from __future__ import annotations

import enum

from .actions import OPERATIONS, Requirement, ResourceType, When


class Call(enum.Enum):
    """The calls of the protocol, named for what they do."""

    PING = "GET /v2/"
    GET_MANIFEST = "GET /v2/<name>/manifests/<reference>"
    HEAD_MANIFEST = "HEAD /v2/<name>/manifests/<reference>"
    PUT_MANIFEST = "PUT /v2/<name>/manifests/<reference>"
    DELETE_MANIFEST = "DELETE /v2/<name>/manifests/<reference>"
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


_REPOSITORY = ResourceType.REPOSITORY
_CREATE_ON_PUSH = (
    Requirement("ecr:CreateRepository", _REPOSITORY, When.CREATE_ON_PUSH),
    Requirement("ecr:TagResource", _REPOSITORY, When.TAGS),
)
_MOUNT = Requirement("ecr:GetDownloadUrlForLayer", _REPOSITORY, When.MOUNT)

#: The calls of a private registry. A ping is answered to any valid token.
PRIVATE_CALLS: dict[Call, tuple[Requirement, ...]] = {
    Call.PING: (),
    Call.GET_MANIFEST: OPERATIONS["ecr"]["BatchGetImage"],
    Call.HEAD_MANIFEST: OPERATIONS["ecr"]["BatchGetImage"],
    Call.PUT_MANIFEST: OPERATIONS["ecr"]["PutImage"] + _CREATE_ON_PUSH,
    Call.DELETE_MANIFEST: OPERATIONS["ecr"]["BatchDeleteImage"],
    Call.GET_BLOB: OPERATIONS["ecr"]["GetDownloadUrlForLayer"],
    Call.HEAD_BLOB: OPERATIONS["ecr"]["BatchCheckLayerAvailability"],
    Call.START_UPLOAD: (
        *OPERATIONS["ecr"]["InitiateLayerUpload"],
        *_CREATE_ON_PUSH,
        _MOUNT,
    ),
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

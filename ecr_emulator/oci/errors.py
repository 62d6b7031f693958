"""The OCI error body, and which status and code each refusal of the registry gets.

Codes: OCI distribution specification, "Error Codes". Where ECR departs from it, the table
says so and ``--strict-ecr`` chooses ECR's answer. Sources for ECR's: public issue threads.
"""

from __future__ import annotations

import json

from ecr_emulator.oci.http import Headers, Response
from ecr_emulator.registry import errors
from ecr_emulator.registry.layers import LayerInUse
from ecr_emulator.registry.pull_through_errors import (
    ACCESS_DENIED,
    TOO_MANY_REQUESTS,
    UNAVAILABLE,
    UpstreamImageFailure,
    UpstreamLayerFailure,
    UpstreamReferrersFailure,
)

_JSON = "application/json; charset=utf-8"

#: (status, code) of a refusal, whichever request it answers.
_ANSWERS: dict[type[errors.RegistryError], tuple[int, str]] = {
    errors.RepositoryNotFound: (404, "NAME_UNKNOWN"),
    errors.ImageNotFound: (404, "MANIFEST_UNKNOWN"),
    errors.LayersNotFound: (404, "BLOB_UNKNOWN"),
    errors.LayerInaccessible: (404, "BLOB_UNKNOWN"),
    errors.UploadNotFound: (404, "BLOB_UPLOAD_UNKNOWN"),
    errors.UploadBusyError: (409, "BLOB_UPLOAD_INVALID"),
    errors.InvalidLayerPart: (416, "BLOB_UPLOAD_INVALID"),
    errors.LayerPartTooSmall: (400, "BLOB_UPLOAD_INVALID"),
    errors.EmptyUpload: (400, "BLOB_UPLOAD_INVALID"),
    errors.ReferencedImagesNotFound: (400, "MANIFEST_BLOB_UNKNOWN"),
    errors.ImageTagAlreadyExists: (400, "TAG_INVALID"),
    errors.ImageDigestDoesNotMatch: (400, "DIGEST_INVALID"),
    # As docker shows it for one image too many: aws/containers-roadmap#2159.
    errors.LimitExceeded: (403, "DENIED"),
    # Likeliest: an access to the data that the key's state does not let anybody have.
    errors.KmsFailure: (403, "DENIED"),
    LayerInUse: (405, "UNSUPPORTED"),
    errors.ServerFailure: (500, "UNKNOWN"),
}
#: The same of what an upstream registry refuses, by the code of ``failures[]``. Likeliest.
_UPSTREAM_ANSWERS: dict[str | None, tuple[int, str]] = {
    None: (403, "DENIED"),
    ACCESS_DENIED: (403, "DENIED"),
    TOO_MANY_REQUESTS: (429, "TOOMANYREQUESTS"),
    UNAVAILABLE: (503, "UNAVAILABLE"),
}


class OciError(Exception):
    """An answer that refuses a request at this door."""

    def __init__(
        self, status: int, code: str, message: str, headers: Headers | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or []

    def response(self) -> Response:
        """Return the answer, with the body that the specification asks for."""
        body = json.dumps({"errors": [{"code": self.code, "message": self.message}]})
        return Response(self.status, [("Content-Type", _JSON), *self.headers], body.encode("utf-8"))


def from_registry_error(error: errors.RegistryError, *, strict_ecr: bool) -> OciError:
    """Return this door's answer for a refusal of the registry."""
    if isinstance(error, errors.ImageNotFound):
        return OciError(404, "MANIFEST_UNKNOWN", "Requested image not found")
    if isinstance(error, errors.InvalidLayer):
        code = "BLOB_UPLOAD_INVALID" if strict_ecr else "DIGEST_INVALID"
        return OciError(400, code, error.message)
    if isinstance(error, (UpstreamImageFailure, UpstreamLayerFailure, UpstreamReferrersFailure)):
        status, code = _UPSTREAM_ANSWERS[error.failure_code]
        return OciError(status, code, error.message)
    status, code = _ANSWERS.get(type(error), (0, ""))
    if not status:
        # ECR answers what it finds wrong with parameters as an unsupported operation.
        status, code = (405, "UNSUPPORTED") if strict_ecr else (400, "MANIFEST_INVALID")
    return OciError(status, code, error.message)


def unsupported(message: str = "The operation is unsupported.") -> OciError:
    """Return the refusal of something that this registry does not do."""
    return OciError(405, "UNSUPPORTED", message)

"""The OCI door's one table of routes: which function answers which method on which path."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ecr_emulator.metrics import OPERATION
from ecr_emulator.oci import blobs, manifests, referrers, tags, uploads
from ecr_emulator.oci.context import Context
from ecr_emulator.oci.errors import OciError, unsupported
from ecr_emulator.oci.http import Request, Response

Handler = Callable[[Context], Response]


def _ping(context: Context) -> Response:
    """``GET /v2/``: the registry is there and the credentials are good."""
    return Response(200, [("Content-Type", "application/json")], b"{}")


#: What each path can be asked, by the name that the pattern below gives the path.
_ROUTES: dict[str, dict[str, Handler]] = {
    "ping": {"GET": _ping, "HEAD": _ping},
    "catalog": {"GET": tags.list_repositories},
    "manifests": {
        "GET": manifests.get_manifest,
        "HEAD": manifests.head_manifest,
        "PUT": manifests.put_manifest,
        "DELETE": manifests.delete_manifest,
    },
    "blobs": {
        "GET": blobs.get_blob,
        "HEAD": blobs.head_blob,
        "DELETE": blobs.delete_blob,
    },
    "uploads": {"POST": uploads.start_upload},
    "upload": {
        "GET": uploads.get_upload,
        "PATCH": uploads.upload_chunk,
        "PUT": uploads.finish_upload,
        "DELETE": uploads.cancel_upload,
    },
    "tags": {"GET": tags.list_tags},
    "referrers": {"GET": referrers.list_referrers},
}
_PATH = re.compile(
    r"/v2/(?:"
    r"(?P<ping>)"
    r"|(?P<catalog>_catalog)"
    r"|(?P<name>.+)/(?:"
    r"manifests/(?P<manifests>[^/]+)"
    r"|blobs/uploads(?P<uploads>/?)"
    r"|blobs/uploads/(?P<upload>[^/]+)"
    r"|blobs/(?P<blobs>[^/]+)"
    r"|tags/(?P<tags>list)"
    r"|referrers/(?P<referrers>[^/]+)"
    r"))\Z"
)
_LONGEST_PATH = 1024


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request goes.

    :ivar kind: the name of the path in the table.
    :ivar name: the repository's name as the path has it; empty where it has none.
    :ivar reference: what of the repository is meant: a tag, a digest, the id of an upload.
    """

    kind: str
    name: str
    reference: str
    handler: Handler


def find_route(request: Request) -> Route:
    """Return where a request goes, and note it for those who count.

    :raises OciError: no such path, or not with this method.
    """
    method, path = request.method, request.path
    if path == "/v2":
        path = "/v2/"
    match = _PATH.match(path) if len(path) <= _LONGEST_PATH else None
    # A NUL is in no name, and PostgreSQL takes it in no text.
    if match is None or "\0" in path:
        raise OciError(404, "UNSUPPORTED", "page not found")
    kind = str(match.lastgroup)
    handler = _ROUTES[kind].get(method)
    if handler is None:
        raise unsupported()
    request.environ[OPERATION] = f"{method} {kind}"
    return Route(kind, match.group("name") or "", match.group(kind), handler)

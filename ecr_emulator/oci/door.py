"""The OCI door: one table of routes, and the life of a request through them."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from typing import Any

from ecr_emulator.arns import RegistryKey
from ecr_emulator.auth.urls import PATH_PREFIX, ExpiredUrl, InvalidUrl
from ecr_emulator.oci import blobs, manifests, referrers, tags, uploads
from ecr_emulator.oci.authentication import NotAuthenticated
from ecr_emulator.oci.context import Context, DoorServices
from ecr_emulator.oci.errors import OciError, from_registry_error, unsupported
from ecr_emulator.oci.http import Environ, Request, Response
from ecr_emulator.registry.errors import RegistryError
from ecr_emulator.wsgi_body import BodyError

Handler = Callable[[Context], Response]

logger = logging.getLogger(__name__)


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


class OciDoor:
    """Answers everything below ``/v2/``, and the links that GetDownloadUrlForLayer gives out."""

    def __init__(self, services: DoorServices) -> None:
        self._services = services

    def handles(self, path: str) -> bool:
        """Say whether a path is this door's."""
        return path.startswith(("/v2/", PATH_PREFIX)) or path == "/v2"

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer a request (WSGI)."""
        request = Request(environ)
        response = self._answer(request)
        if request.method == "HEAD":
            response.drop_body()
        return response.start(start_response)

    def _answer(self, request: Request) -> Response:
        try:
            if request.path.startswith(PATH_PREFIX):
                return self._download(request)
            return self._route(request)
        except NotAuthenticated as refusal:
            return refusal.response(request)
        except OciError as error:
            return error.response()
        except RegistryError as error:
            if error.code == "ServerException":
                logger.error("%s %s: %s", request.method, request.path, error.message)
            return from_registry_error(error, strict_ecr=self._services.strict_ecr).response()
        except BodyError as error:
            return OciError(error.status, "SIZE_INVALID", str(error)).response()
        except Exception:
            # The last resort: the client gets no stack trace, the log does.
            logger.exception("%s %s failed", request.method, request.path)
            return OciError(500, "UNKNOWN", "The registry failed.").response()

    def _route(self, request: Request) -> Response:
        caller = self._services.authenticator.authenticate(request)
        path = "/v2/" if request.path == "/v2" else request.path
        match = _PATH.match(path) if len(path) <= _LONGEST_PATH else None
        if match is None:
            raise OciError(404, "UNSUPPORTED", "page not found")
        kind = str(match.lastgroup)
        handler = _ROUTES[kind].get(request.method)
        if handler is None:
            raise unsupported()
        name = match.group("name") or ""
        return handler(Context(self._services, request, caller, name, match.group(kind)))

    def _download(self, request: Request) -> Response:
        """``GET /_layers/…``: a layer, by a link that carries its own permission."""
        if request.method not in ("GET", "HEAD"):
            raise unsupported()
        query = str(request.environ.get("QUERY_STRING") or "")
        try:
            account, region, name, digest = self._services.urls.verify(request.path, query)
        except InvalidUrl:
            raise OciError(403, "DENIED", "The link is not valid.") from None
        except ExpiredUrl:
            raise OciError(403, "DENIED", "Request has expired") from None
        registry = self._services.registry
        layer = registry.layers.get(RegistryKey(account, region), name, digest)
        return blobs.serve_layer(registry, request, layer)

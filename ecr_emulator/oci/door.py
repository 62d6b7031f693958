"""The OCI door: the life of a request, from WSGI to the function that answers it and back."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from ecr_emulator.arns import RegistryKey
from ecr_emulator.auth.urls import PATH_PREFIX, ExpiredUrl, InvalidUrl
from ecr_emulator.oci import blobs, replication
from ecr_emulator.oci.api_calls import answer_and_record
from ecr_emulator.oci.authentication import NotAuthenticated
from ecr_emulator.oci.context import Context, DoorServices
from ecr_emulator.oci.errors import OciError, from_registry_error, unsupported
from ecr_emulator.oci.http import Environ, Request, Response
from ecr_emulator.oci.public import PATH_START, TOKEN_PATHS, PublicDoor
from ecr_emulator.oci.routes import find_route
from ecr_emulator.registry.errors import RegistryError
from ecr_emulator.storage_failure import StorageFailure
from ecr_emulator.wsgi_body import BodyError

logger = logging.getLogger(__name__)


class OciDoor:
    """Answers everything below ``/v2/``, and the links that GetDownloadUrlForLayer gives out."""

    def __init__(self, services: DoorServices, public: PublicDoor) -> None:
        self._services = services
        self._public = public

    def handles(self, path: str) -> bool:
        """Say whether a path is this door's."""
        return path.startswith(("/v2/", PATH_PREFIX)) or path == "/v2" or path in TOKEN_PATHS

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer a request (WSGI)."""
        request = Request(environ)
        response = self._answer(request)
        if response.status >= 400:
            request.discard_body()
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
        except StorageFailure as error:
            logger.error("%s %s: %s", request.method, request.path, error)
            return OciError(500, "UNKNOWN", str(error)).response()
        except BodyError as error:
            return OciError(error.status, "SIZE_INVALID", str(error)).response()
        except Exception:
            # The last resort: the client gets no stack trace, the log does.
            logger.exception("%s %s failed", request.method, request.path)
            return OciError(500, "UNKNOWN", "The registry failed.").response()

    def _route(self, request: Request) -> Response:
        if self._public.has_host(str(request.environ.get("HTTP_HOST", ""))):
            return self._public.answer_on_host(request)
        if request.path.startswith(PATH_START):
            return self._public.answer_on_path(request)
        caller = self._services.authenticator.authenticate(request)
        route = find_route(request)
        name = route.name
        context = Context(self._services, request, caller, name, route.reference, name)
        if replication.is_replication(context):
            return replication.answer(context, route.kind)
        return answer_and_record(context, route)

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
        key = RegistryKey(account, region)
        # Who gave out the link has seen to the permission to fetch it.
        layer = registry.cached_layers.get(key, name, digest, None)
        return blobs.serve_layer(registry, request, key, name, layer)

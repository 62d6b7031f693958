"""moto in this process: answers requests as its server would, and questions about its state.

The one module that knows moto's inside, together with :mod:`.moto_state`. moto is imported when
the first request comes, so that who never sends one pays for none of it.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import threading
from collections.abc import Iterable
from types import ModuleType
from typing import Any

from botocore.model import OperationNotFoundError

from ecr_emulator.companions.failures import failure
from ecr_emulator.companions.shared_state import SharedState

logger = logging.getLogger(__name__)

#: What moto's server needs to be imported.
_MODULES = ("moto", "flask_cors")
#: The mark of a request that names its service in its query alone.
SCOPE_KEY = "ecr_emulator.scope"
#: Variables for moto, where they have no value yet.
_SETTINGS = {
    # AmazonEC2ContainerRegistryReadOnly and its kind are what roles for ECR are given.
    "MOTO_IAM_LOAD_MANAGED_POLICIES": "true",
    # No page in a browser is to read answers: moto verifies no signature.
    "MOTO_DISABLE_GLOBAL_CORS": "true",
}


def is_installed() -> bool:
    """Say whether moto and what its server needs are installed."""
    return all(importlib.util.find_spec(name) is not None for name in _MODULES)


def are_wanted(setting: str) -> bool:
    """Say whether the companions run, by the setting ``companions``."""
    return setting == "on" or (setting == "auto" and is_installed())


class MotoHost:
    """moto as a WSGI application, and the questions that can be asked of its state.

    :param state: where it says that something may have changed.
    """

    def __init__(self, state: SharedState) -> None:
        self._state = state
        self._lock = threading.Lock()
        self._application: Any = None
        self._moto_state: ModuleType | None = None
        # A process that was started in another's place has nothing of what that one had.
        state.change(is_in_use=False, has_rules=False)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer a request to a service (WSGI); what moto cannot answer is an error of AWS's form.

        The environ has ``RAW_URI``, and the account in ``HTTP_X_MOTO_ACCOUNT_ID``.
        """
        begun: list[Any] = []
        try:
            answer = self._loaded()(environ, lambda *head: begun.append(head[:2]))
            try:
                body = list(answer)
            finally:
                if hasattr(answer, "close"):
                    answer.close()
        except _UnknownService as error:
            return failure(environ, start_response, 501, "NotImplemented", str(error))
        except (NotImplementedError, OperationNotFoundError) as error:
            return failure(
                environ, start_response, 501, "NotImplemented", f"moto: {str(error)[:300]}"
            )
        except ImportError as error:
            text = f"moto needs more for this service (pip install 'moto[all]'): {error}"
            return failure(environ, start_response, 501, "NotImplemented", text)
        except Exception as error:
            # moto has no bounds for what it is sent; what breaks in it is not ours to trace.
            logger.warning("moto failed: %s", type(error).__name__)
            logger.debug("moto failed", exc_info=True)
            text = f"moto failed on this request ({type(error).__name__})."
            return failure(environ, start_response, 500, "InternalFailure", text)
        finally:
            self._changed()
        # Now only, for what breaks late is another answer.
        start_response(*begun[-1])
        return body

    def call(self, question: str, arguments: dict[str, Any]) -> Any:
        """Answer a question of :mod:`.moto_state` (``access_key``, ``identity``, ``secret``,
        ``put_event``), or ``reset``; what is not there is ``None``."""
        if self._moto_state is None:
            return None
        answer = getattr(self._moto_state, question)(**arguments)
        if question == "reset":
            self._state.change(is_in_use=False, has_rules=False)
        return answer

    def _changed(self) -> None:
        state = self._moto_state
        has_rules = state is not None and state.has_rules()
        self._state.change(is_in_use=state is not None, has_rules=has_rules)

    def _loaded(self) -> Any:
        with self._lock:
            if self._application is None:
                for name, value in _SETTINGS.items():
                    os.environ.setdefault(name, value)
                application = _make_application()
                # By name, for these modules import moto.
                importlib.import_module(f"{__package__}.user_boundaries").add_to_moto()
                self._moto_state = importlib.import_module(f"{__package__}.moto_state")
                self._application = application
            return self._application


class _UnknownService(Exception):
    """moto has no such service."""


def _make_application() -> Any:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    class Dispatcher(DomainDispatcherApplication):  # type: ignore[misc]
        """moto's dispatcher, for requests whose service is known.

        Its own looks at the path first, whoever asks: below ``/moto-api/`` anyone can empty it,
        and S3's bucket ``latest`` would be the metadata of instances.
        """

        def get_application(self, environ: dict[str, Any]) -> Any:
            scope = environ.get(SCOPE_KEY)
            known = {**environ, "HTTP_AUTHORIZATION": scope} if scope else environ
            host = self._host(known)
            with self.lock:
                backend = self._backend(host)
                app = self.app_instances.get(backend)
                if app is None:
                    app = self.app_instances[backend] = self.create_app(backend)
            # The body of a form may have been read for its service.
            environ["wsgi.input"] = known["wsgi.input"]
            return app

        def _host(self, environ: dict[str, Any]) -> str:
            try:
                host = self.infer_service_region_host(environ, environ["PATH_INFO"])
            except (KeyError, IndexError):
                # Of a service that tells its operations by X-Amz-Target, without one.
                raise _UnknownService("The request names no operation.") from None
            return host or "s3.us-east-1.amazonaws.com"

        def _backend(self, host: str) -> str:
            for backend, pattern in self.backend_url_patterns:
                if host == backend or pattern.match(f"http://{host}"):
                    return str(backend)
            raise _UnknownService(f"moto has no service for {host}.")

    return Dispatcher(create_backend_app)

"""The operations of one service: which function serves each, and the way to it.

The life of a request's body, whole: parsed, validated, given to its function, and the
answer serialised (:meth:`Operations.dispatch`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from .errors import not_provided, unknown_operation
from .model import Service, load_service

ContextT = TypeVar("ContextT")
#: What serves an operation: it gets the context and the typed input, of which it may keep
#: and change what it likes, and returns the answer's members.
Handler = Callable[[ContextT, "dict[str, Any]"], "dict[str, Any]"]
HandlerT = TypeVar("HandlerT", bound="Callable[..., dict[str, Any]]")


class Operations(Generic[ContextT]):
    """The functions that serve the operations of a service.

    :param service_name: botocore's name for the service, as ``ecr``.
    """

    def __init__(self, service_name: str) -> None:
        self.service: Service = load_service(service_name)
        self._handlers: dict[str, Handler[ContextT]] = {}

    def operation(self, name: str) -> Callable[[HandlerT], HandlerT]:
        """Return a decorator that makes a function serve the operation *name*.

        The function takes the context and the input, and may raise
        :class:`~.errors.AwsError`.

        :raises ValueError: the model has no such operation, or it is served already.
        """
        if name not in self.service.operations:
            raise ValueError(f"the model of {self.service.name} has no operation {name}")

        def register(handler: HandlerT) -> HandlerT:
            if name in self._handlers:
                raise ValueError(f"the operation {name} of {self.service.name} is served already")
            self._handlers[name] = handler
            return handler

        return register

    def handler(self, name: str) -> Handler[ContextT] | None:
        """Return what serves the operation *name*, or None if nothing does."""
        return self._handlers.get(name)

    def missing(self) -> list[str]:
        """Return the names of the model's operations that no function serves, in order."""
        return sorted(self.service.operations.keys() - self._handlers.keys())

    def dispatch(self, name: str, context: ContextT, body: bytes) -> bytes:
        """Serve the operation *name* and return the body of the answer.

        :param context: handed to the operation's function as it is.
        :param body: the request's body.
        :raises AwsError: the operation is unknown or not served, the body is not its input,
            or the operation refuses.
        """
        operation = self.service.operations.get(name)
        if operation is None:
            raise unknown_operation()
        handler = self.handler(name)
        if handler is None:
            raise not_provided(self.service.name, name)
        params = operation.parse(body)
        operation.validate(params)
        return operation.serialize(handler(context, params))

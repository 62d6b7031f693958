"""A service as botocore's model describes it, ready to read and answer its requests.

Nothing is known here about any one service: names, members, constraints and errors are the
model's. What is costly to make, the functions of an operation, is made when the operation is
first used, so that a worker process starts fast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Any

from botocore.loaders import Loader

from .parsing import compile_parser
from .serialization import compile_serializer
from .validation import compile_validator

CLIENT_FAULT = 400
SERVER_FAULT = 500


class Operation:
    """An operation of a service.

    :param name: the operation's name, as in ``X-Amz-Target``.
    :param input_shape: the name of its input's shape.
    :param output_shape: the name of its output's shape.
    :param errors: the errors it models, with the HTTP status of each.
    :param shapes: the service's shapes by name.
    """

    def __init__(
        self,
        name: str,
        input_shape: str,
        output_shape: str,
        errors: Mapping[str, int],
        shapes: Mapping[str, Any],
    ) -> None:
        self.name = name
        self.input_shape = input_shape
        self.output_shape = output_shape
        self.errors = errors
        self._shapes = shapes

    @cached_property
    def parse(self) -> Callable[[bytes], dict[str, Any]]:
        """The function from a body to the typed input: see :func:`.parsing.compile_parser`."""
        return compile_parser(self._shapes, self.input_shape)

    @cached_property
    def validate(self) -> Callable[[Mapping[str, Any]], None]:
        """The check of a typed input: see :func:`.validation.compile_validator`."""
        return compile_validator(self._shapes, self.name, self.input_shape)

    @cached_property
    def serialize(self) -> Callable[[dict[str, Any]], bytes]:
        """The function from an answer to a body: see :func:`.serialization.compile_serializer`."""
        return compile_serializer(self._shapes, self.output_shape)


class Service:
    """A service: what its requests are addressed to, and its operations by name.

    :param name: botocore's name for it, as ``ecr-public``.
    :param description: its ``service-2`` model.
    """

    def __init__(self, name: str, description: Mapping[str, Any]) -> None:
        metadata = description["metadata"]
        if metadata["protocol"] != "json":
            raise ValueError(f"{name} speaks {metadata['protocol']}, not the JSON protocol")
        self.name = name
        #: What stands before the operation in ``X-Amz-Target``.
        self.target_prefix: str = metadata["targetPrefix"]
        #: The protocol's version, as in ``application/x-amz-json-1.1``.
        self.json_version: str = metadata["jsonVersion"]
        shapes: Mapping[str, Any] = description["shapes"]
        self.operations: Mapping[str, Operation] = MappingProxyType(
            {
                operation: Operation(
                    operation,
                    described["input"]["shape"],
                    described["output"]["shape"],
                    {
                        error["shape"]: _status(shapes[error["shape"]])
                        for error in described["errors"]
                    },
                    shapes,
                )
                for operation, described in description["operations"].items()
            }
        )


def _status(error: Mapping[str, Any]) -> int:
    declared = error.get("error", {}).get("httpStatusCode")
    if declared is not None:
        return int(declared)
    return SERVER_FAULT if error.get("fault") else CLIENT_FAULT


@lru_cache(maxsize=8)
def load_service(name: str) -> Service:
    """Return the service *name* by the newest model that botocore has of it (read once).

    :param name: botocore's name for the service, as ``ecr``.
    :raises botocore.exceptions.UnknownServiceError: there is no such service.
    :raises ValueError: the service does not speak the JSON protocol.
    """
    # Only what is installed: the default paths would take in models of the user's own, from
    # a home directory that need not be the same for all who share a store.
    loader = Loader(
        extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False
    )
    return Service(name, loader.load_service_model(name, "service-2"))

"""A user who walks through a service: by the aws command, and by boto3 where that is too old."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from tests.clients.caller import AwsError, Caller

#: What the aws command says of options and members that came after it was made.
_TOO_OLD = re.compile("Unknown options|Unknown parameter|Invalid choice")
#: Exit statuses for a refusal by the service: of the command's second version, and of its first.
REFUSED = (254, 255)


class Walk:
    """Calls operations by their names, each by the aws command if it has it.

    :param service: ``ecr`` or ``ecr-public``.
    :param folder: for files whose content options take.
    :ivar walked: the operations that were called.
    :ivar by_command: those among them that the command called.
    """

    def __init__(self, caller: Caller, service: str, folder: Path) -> None:
        self.caller = caller
        self.service = service
        self.walked: set[str] = set()
        self.by_command: set[str] = set()
        self._client = caller.client(service)
        self._folder = folder

    def __call__(self, operation: str, **params: Any) -> dict[str, Any]:
        """Call *operation* and return its answer.

        :raises AwsError: it is refused.
        """
        self.walked.add(operation)
        command = xform_name(operation, "-")
        if command in _commands(self.caller, self.service):
            try:
                text = self.caller.aws(
                    self.service, command, *self._options(params), "--output", "json"
                )
            except AwsError as error:
                if not _TOO_OLD.search(str(error)):
                    raise
            else:
                self.by_command.add(operation)
                # Nothing is printed of an answer with nothing in it.
                return dict(json.loads(text or "{}"))
        try:
            answer = getattr(self._client, xform_name(operation))(**params)
        except ClientError as error:
            text = str(error).replace(" (reached max retries: 0)", "")
            raise AwsError(text, REFUSED[0]) from None
        del answer["ResponseMetadata"]
        return dict(answer)

    def refused(self, operation: str, **params: Any) -> tuple[str, str]:
        """Call *operation*, which must be refused; return the error's code and its text."""
        with pytest.raises(AwsError) as caught:
            self(operation, **params)
        assert caught.value.status in REFUSED
        found = re.fullmatch(
            rf"An error occurred \((\w+)\) when calling the {operation} operation: (.*)",
            str(caught.value).removeprefix("aws: [ERROR]: "),
            re.DOTALL,
        )
        assert found is not None, caught.value
        return found[1], found[2]

    def _options(self, params: dict[str, Any]) -> Iterator[str]:
        for number, (member, value) in enumerate(params.items()):
            option = xform_name(member, "-")
            if value is True or value is False:
                yield f"--{option}" if value else f"--no-{option}"
                continue
            yield f"--{option}"
            if isinstance(value, bytes):
                path = self._folder / f"option-{number}"
                path.write_bytes(value)
                yield f"fileb://{path}"
            else:
                yield value if isinstance(value, str) else json.dumps(value)


@lru_cache
def _commands(caller: Caller, service: str) -> frozenset[str]:
    """Return the names that the aws command has for the service's operations."""
    try:
        caller.aws(service, "no-such-command")
    except AwsError as error:
        return frozenset(re.findall(r"[a-z]+(?:-[a-z]+)+", str(error)))
    raise AssertionError("the aws command takes any word for an operation")

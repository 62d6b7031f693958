"""What either side answers, brought into a form in which only real differences are left."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from botocore import xform_name
from botocore.exceptions import ClientError

#: The region of most calls, and that of calls whose effects others should not see.
HERE, APART = "us-east-1", "eu-central-1"
#: Members whose values are each side's own.
_MADE_UP = {
    "uploadId": "<upload>",
    "authorizationToken": "<token>",
    "nextToken": "<token>",
    "downloadUrl": "<url>",
    "proxyEndpoint": "<endpoint>",
}
#: Texts of which the JSON is compared; how they are written is a step of its own.
_JSON = {"policyText", "lifecyclePolicyText"}
#: Lists in no particular order.
_UNORDERED = {"repositories", "imageIds", "imageDetails", "tags", "imageTags"}
_NOTHING = "nothing"
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

#: Makes a boto3 client for a region.
MakeClient = Callable[[str], Any]


class Side:
    """One of the two that are compared.

    :param make_client: makes a boto3 client of it for a region.
    :param finish_scans: ends what goes on in the background.
    :ivar outcomes: of every step, by name.
    """

    def __init__(self, make_client: MakeClient, finish_scans: Callable[[], object]) -> None:
        self._clients = {region: make_client(region) for region in (HERE, APART)}
        self._names: dict[str, str] = {}
        self.finish_scans = finish_scans
        self.outcomes: dict[str, Any] = {}

    def call(self, step: str, operation: str, region: str = "", **params: Any) -> dict[str, Any]:
        """Make a call, and note its outcome as that of *step*, if that is not empty.

        :returns: the answer as it is, or nothing if the call was refused.
        """
        client = self._clients[region or HERE]
        try:
            answer: dict[str, Any] = getattr(client, xform_name(operation))(**params)
        except ClientError as error:
            answer = {}
            said = error.response["Error"]
            outcome = {"error": said["Code"], "message": self.normal(said.get("Message", ""))}
        else:
            answer.pop("ResponseMetadata")
            outcome = self.normal(answer)
        if step:
            self.note(step, outcome)
        return answer

    def note(self, step: str, outcome: dict[str, Any]) -> None:
        """Note an outcome that is not that of a call as it is."""
        assert step not in self.outcomes, step
        self.outcomes[step] = outcome

    def alias(self, digest: str, name: str) -> None:
        """Say that *digest* is by what this side knows *name*."""
        self._names[digest] = name

    def digest(self, name: str) -> str:
        """Return by what this side knows *name*."""
        return next(digest for digest, known in self._names.items() if known == name)

    def normal(self, value: Any, member: str = "") -> Any:
        """Return *value* with what need not be the same on both sides taken out."""
        if isinstance(value, dict):
            return {name: self.normal(item, name) for name, item in value.items()}
        if isinstance(value, list):
            items = [self.normal(item, member) for item in value]
            return sorted(items, key=json.dumps) if member in _UNORDERED else items
        if member in _JSON:
            return json.loads(value)
        if member in _MADE_UP:
            return _MADE_UP[member]
        if isinstance(value, datetime):
            return "<time>"
        if not isinstance(value, str):
            return value
        if member == "repositoryUri":
            return "<registry>" + urlsplit(f"//{value}").path
        for digest, name in self._names.items():
            value = value.replace(digest, f"<{name}>")
        return _UUID.sub("<uuid>", value)


def differences(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, str]:
    """Return what either side has, by where the outcomes differ (``step: member``)."""
    assert ours.keys() == theirs.keys()
    found: dict[str, str] = {}
    for step, outcome in ours.items():
        other = theirs[step]
        if ("error" in outcome) != ("error" in other):
            found[f"{step}: refused"] = f"{_short(outcome)} / {_short(other)}"
            continue
        for path, our, their in _compare(outcome, other, ""):
            found[f"{step}: {path}"] = f"{_short(our)} / {_short(their)}"
    return found


def _compare(our: Any, their: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(our, dict) and isinstance(their, dict):
        for name in sorted({*our, *their}):
            inner = f"{path}.{name}" if path else name
            yield from _compare(our.get(name, _NOTHING), their.get(name, _NOTHING), inner)
    elif isinstance(our, list) and isinstance(their, list) and len(our) == len(their):
        for item, other in zip(our, their, strict=True):
            yield from _compare(item, other, f"{path}[]")
    elif our != their:
        yield path, our, their


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 400 else text[:400] + "…"

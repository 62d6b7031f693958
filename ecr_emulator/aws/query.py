"""The AWS Query protocol: parameters in a form or query string, answers in XML.

Nothing here knows a service. Operations, input and output shapes come from botocore's model
of it; the protocol's rules from the botocore protocol documentation and the common errors of
the API references.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel

from ecr_emulator.auth.canonical import SignedRequest

CONTENT_TYPE = "text/xml"

_MAX_BODY = 1024 * 1024
_MAX_PARAMETERS = 1000
_MAX_ECHO = 1024
_MAX_INTEGER_DIGITS = 10
# XML 1.0 has no way to write these, escaped or not.
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class QueryError(Exception):
    """A refusal in the Query protocol's terms.

    :param status: the HTTP status; from 500 on, the fault is the receiver's.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(status, code, message)
        self.status = status
        self.code = code
        self.message = message


@lru_cache(maxsize=4)
def service_model(service: str) -> ServiceModel:
    """Return botocore's model of *service* (read once)."""
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


def parse_parameters(request: SignedRequest) -> dict[str, str]:
    """Return the parameters of a request: from its form, else from its query string.

    :raises QueryError: too much of either.
    """
    if request.method == "POST" and request.body:
        if len(request.body) > _MAX_BODY:
            raise QueryError(413, "RequestEntityTooLarge", "Request size exceeded the limit")
        text = request.body.decode("utf-8", "replace")
    else:
        text = request.query_string
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_PARAMETERS))
    except ValueError:
        # Common Errors: "The query string contains a syntax error", HTTP 404.
        raise QueryError(
            404, "MalformedQueryString", "The query string contains a syntax error"
        ) from None


def find_operation(model: ServiceModel, parameters: Mapping[str, str]) -> OperationModel:
    """Return the operation that *parameters* ask for.

    :raises QueryError: there is none of that name and version.
    """
    action = parameters.get("Action")
    if not action:
        raise QueryError(
            400, "MissingAction", "The request is missing an action or a required parameter."
        )
    version = parameters.get("Version", "NO_VERSION_SPECIFIED")
    if version != model.api_version or action not in model.operation_names:
        raise QueryError(
            400,
            "InvalidAction",
            f"Could not find operation {action[:_MAX_ECHO]} for version {version[:_MAX_ECHO]}",
        )
    return model.operation_model(action)


def read_input(operation: OperationModel, parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return the operation's input, converted and validated by its model.

    Members are scalars and lists of scalars or of structures (``Tags.member.1.Key``);
    parameters that the model does not know are left out, as AWS does.

    :raises QueryError: ``ValidationError`` with AWS's text, or ``MalformedInput``.
    """
    shape = operation.input_shape
    complaints: list[str] = []
    values = _structure(shape, parameters, "", "", complaints) if shape else {}
    if complaints:
        plural = "s" if len(complaints) > 1 else ""
        raise QueryError(
            400,
            "ValidationError",
            f"{len(complaints)} validation error{plural} detected: " + "; ".join(complaints),
        )
    return values


def _structure(
    shape: Any, parameters: Mapping[str, str], prefix: str, shown: str, complaints: list[str]
) -> dict[str, Any]:
    """Return the members of a structure whose parameters begin with *prefix*."""
    values: dict[str, Any] = {}
    for name, member in shape.members.items():
        path = f"{shown}{name[0].lower()}{name[1:]}"
        value = _member(member, parameters, prefix + name, path, complaints)
        if value is not None:
            values[name] = value
        elif name in shape.required_members:
            complaints.append(_complaint("null", path, "Member must not be null"))
    return values


def _member(
    shape: Any, parameters: Mapping[str, str], name: str, shown: str, complaints: list[str]
) -> Any:
    if shape.type_name == "list":
        items = []
        for number in range(1, _MAX_PARAMETERS):
            item = f"{name}.member.{number}"
            if not any(key == item or key.startswith(item + ".") for key in parameters):
                break
            path = f"{shown}.{number}.member"
            items.append(_member(shape.member, parameters, item, path, complaints))
        return items or None
    if shape.type_name == "structure":
        return _structure(shape, parameters, name + ".", shown + ".", complaints)
    text = parameters.get(name)
    if text is None:
        return None
    value = _integer(text, shown) if shape.type_name == "integer" else text
    complaints.extend(
        _complaint(f"'{text[:_MAX_ECHO]}'", shown, rule) for rule in _broken(value, shape)
    )
    return value


def _complaint(value: str, member: str, rule: str) -> str:
    return f"Value {value} at '{member}' failed to satisfy constraint: {rule}"


def _integer(text: str, member: str) -> int:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _MAX_INTEGER_DIGITS):
        # The code is AWS's; its text was not observed.
        raise QueryError(400, "MalformedInput", f"'{member}' is not an integer")
    return int(text)


def _broken(value: int | str, member: Any) -> Iterator[str]:
    """Yield AWS's text for each constraint of *member*'s shape that *value* breaks."""
    rules = member.metadata
    if isinstance(value, int):
        if value < rules.get("min", value):
            yield f"Member must have value greater than or equal to {rules['min']}"
        if value > rules.get("max", value):
            yield f"Member must have value less than or equal to {rules['max']}"
        return
    if len(value) < rules.get("min", 0):
        yield f"Member must have length greater than or equal to {rules['min']}"
    if len(value) > rules.get("max", len(value)):
        yield f"Member must have length less than or equal to {rules['max']}"
    pattern = rules.get("pattern")
    if pattern is not None and not _java_pattern(pattern).fullmatch(value):
        yield f"Member must satisfy regular expression pattern: {pattern}"


@lru_cache(maxsize=256)
def _java_pattern(pattern: str) -> re.Pattern[str]:
    """Return a model's pattern, which is Java's, compiled.

    Java's classes are ASCII's unless Unicode categories are named; the models name letters,
    digits and separators, always together with the underscore that Python's ``\\w`` adds.
    """
    translated = pattern
    for java, python in ((r"\p{L}", r"\w"), (r"\p{N}", r"\d"), (r"\p{Z}", r"\s")):
        translated = translated.replace(java, python)
    return re.compile(translated, re.ASCII if translated == pattern else 0)


def render_result(
    model: ServiceModel, operation: OperationModel, output: Mapping[str, Any], request_id: str
) -> str:
    """Return the XML answer of an operation.

    :param output: by member name; members that are absent are left out.
    """
    name, shape = operation.name, operation.output_shape
    wrapper = shape.serialization["resultWrapper"]
    return (
        f'<{name}Response xmlns="{model.metadata["xmlNamespace"]}">\n'
        f"  <{wrapper}>{_members(shape, output)}</{wrapper}>\n"
        f"  <ResponseMetadata>{_element('RequestId', request_id)}</ResponseMetadata>\n"
        f"</{name}Response>\n"
    )


def render_error(model: ServiceModel, error: QueryError, request_id: str) -> str:
    """Return the XML answer for *error*."""
    fault = "Sender" if error.status < 500 else "Receiver"
    return (
        f'<ErrorResponse xmlns="{model.metadata["xmlNamespace"]}">\n'
        f"  <Error>{_element('Type', fault)}{_element('Code', error.code)}"
        f"{_element('Message', error.message)}</Error>\n"
        f"  {_element('RequestId', request_id)}\n"
        "</ErrorResponse>\n"
    )


def _members(shape: Any, values: Mapping[str, Any]) -> str:
    return "".join(
        _value(member.serialization.get("name", name), member, values[name])
        for name, member in shape.members.items()
        if name in values
    )


def _value(name: str, shape: Any, value: Any) -> str:
    if shape.type_name == "structure":
        return f"<{name}>{_members(shape, value)}</{name}>"
    if isinstance(value, datetime):
        value = value.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return _element(name, str(value))


def _element(name: str, text: str) -> str:
    return f"<{name}>{escape(_NOT_IN_XML.sub('?', text))}</{name}>"

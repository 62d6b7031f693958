"""The schema of lifecycle policies and the order in which ECR reports what breaks it.

The grammar is the user guide's ("Lifecycle policy properties in Amazon ECR"). ECR checks it
with the Java library json-schema-validator, and its answers show the library's ways:

* all rules of one value are checked before its members and elements are;
* after the first failure no check goes deeper, but neighbours on the same level still get
  theirs, so that one refusal may hold several messages, even equal ones;
* an object's members are checked in the order of their names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ecr_emulator.registry import lifecycle_texts as texts

#: A JSON schema, draft 4, of which the keywords below are understood.
Schema = Mapping[str, Any]

MAX_RULES = 50

#: A text of 30,720 characters can break the schema in 15,000 places; nobody reads so many.
_MAX_MESSAGES = 100

_TAG_LIST: Schema = {"type": "array", "items": {"type": "string"}}

_SINCE_TYPES = ("sinceImagePushed", "sinceImagePulled")

# Which members go with which countType is a choice among schemas: observed by its message,
# which says nothing else. The archive's type wants its storage class here; which class the
# other types take is said by a rule of its own (STANDARD_ONLY).
_SELECTION: Schema = {
    "type": "object",
    "required": ["countNumber", "countType", "tagStatus"],
    "additionalProperties": False,
    "properties": {
        "tagStatus": {"type": "string", "enum": ["any", "tagged", "untagged"]},
        "tagPrefixList": _TAG_LIST,
        "tagPatternList": _TAG_LIST,
        "storageClass": {"type": "string", "enum": ["archive", "standard"]},
        "countType": {"type": "string"},
        "countUnit": {"type": "string", "enum": ["days"]},
        "countNumber": {"type": "integer", "minimum": 1},
    },
    "oneOf": [
        {
            "properties": {"countType": {"enum": ["imageCountMoreThan"]}},
            "prohibited": ["countUnit"],
        },
        *(
            {"properties": {"countType": {"enum": [name]}}, "required": ["countUnit"]}
            for name in _SINCE_TYPES
        ),
        {
            "properties": {"countType": {"enum": ["sinceImageTransitioned"]}},
            "required": ["countUnit", "storageClass"],
        },
    ],
}

# A transition without its target passes: ECR's observed answer to it is not the schema's.
_ACTION: Schema = {
    "type": "object",
    "required": ["type"],
    "additionalProperties": False,
    "properties": {"type": {}, "targetStorageClass": {}},
    "oneOf": [
        {"properties": {"type": {"enum": ["expire"]}}, "prohibited": ["targetStorageClass"]},
        {
            "properties": {
                "type": {"enum": ["transition"]},
                "targetStorageClass": {"enum": ["archive"]},
            }
        },
    ],
}

_RULE: Schema = {
    "type": "object",
    "required": ["action", "rulePriority", "selection"],
    "additionalProperties": False,
    "properties": {
        "rulePriority": {"type": "integer", "minimum": 1},
        "description": {"type": "string"},
        "selection": _SELECTION,
        "action": _ACTION,
    },
}

POLICY_SCHEMA: Schema = {
    "type": "object",
    "required": ["rules"],
    "additionalProperties": False,
    "properties": {
        "rules": {"type": "array", "minItems": 1, "maxItems": MAX_RULES, "items": _RULE},
    },
}


def violations(instance: object, schema: Schema = POLICY_SCHEMA) -> list[str]:
    """Return ECR's messages for what in *instance* breaks *schema*, in ECR's order.

    :param instance: a value as :func:`json.loads` makes it.
    """
    messages: list[str] = []
    _check(schema, instance, messages)
    return messages


def _check(schema: Schema, instance: object, messages: list[str]) -> None:
    messages.extend(_own_violations(schema, instance))
    if messages:
        return
    if isinstance(instance, dict):
        properties = schema.get("properties", {})
        for name in sorted(instance):
            if name in properties and len(messages) < _MAX_MESSAGES:
                _check(properties[name], instance[name], messages)
    elif isinstance(instance, list) and "items" in schema:
        for element in instance:
            if len(messages) < _MAX_MESSAGES:
                _check(schema["items"], element, messages)


def _own_violations(schema: Schema, instance: object) -> list[str]:
    """Return what is wrong with *instance* itself, by the order of the keywords' names.

    A value of a wrong type gets that message alone, and a choice is looked at only when the
    required members are there: what else the library would say depends on how ECR wrote its
    schema, and is not to be seen.
    """
    expected = schema.get("type")
    found = type_name(instance)
    if expected is not None and found != expected:
        return [texts.wrong_type(found, expected)]
    messages: list[str] = []
    if isinstance(instance, dict):
        messages += _object_violations(schema, instance)
    elif isinstance(instance, list):
        size = len(instance)
        if size > schema.get("maxItems", size):
            messages.append(texts.too_many_elements(schema["maxItems"], size))
        if size < schema.get("minItems", size):
            messages.append(texts.too_few_elements(schema["minItems"], size))
    elif isinstance(instance, int) and instance < schema.get("minimum", instance):
        messages.append(texts.below_minimum(schema["minimum"], instance))
    if "enum" in schema and instance not in schema["enum"]:
        messages.append(texts.not_in_enum(str(instance), schema["enum"]))
    return messages


def _object_violations(schema: Schema, instance: Mapping[str, object]) -> list[str]:
    messages: list[str] = []
    if not schema.get("additionalProperties", True):
        surplus = instance.keys() - schema["properties"].keys()
        if surplus:
            messages.append(texts.not_allowed(sorted(surplus)))
    missing = [name for name in schema.get("required", ()) if name not in instance]
    if "oneOf" in schema and not missing:
        matched = sum(not violations(instance, choice) for choice in schema["oneOf"])
        if matched != 1:
            messages.append(texts.not_exactly_one(matched, len(schema["oneOf"])))
    if missing:
        messages.append(texts.missing(sorted(missing)))
    # Ours, for what draft 4 says by "not": only choices use it, whose messages nobody sees.
    surplus = instance.keys() & set(schema.get("prohibited", ()))
    if surplus:
        messages.append(texts.not_allowed(sorted(surplus)))
    return messages


def type_name(instance: object) -> str:
    """Return the name JSON schema has for the type of *instance*."""
    if instance is None:
        return "null"
    # A bool is an int to Python, so it comes before.
    for kind, name in (
        (bool, "boolean"),
        (int, "integer"),
        (float, "number"),
        (str, "string"),
        (list, "array"),
        (dict, "object"),
    ):
        if isinstance(instance, kind):
            return name
    raise TypeError(f"{type(instance).__name__} is no JSON value")

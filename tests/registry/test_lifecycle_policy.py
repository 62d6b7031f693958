"""Lifecycle policy texts: what ECR takes, what it answers to the rest, and what it echoes."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_emulator.registry.lifecycle_policy import (
    InvalidLifecyclePolicy,
    LifecycleAction,
    LifecyclePolicy,
    LifecycleRule,
    LifecycleSelection,
    parse_lifecycle_policy,
    render_lifecycle_policy,
)

VALIDATION = "Lifecycle policy validation failure: "
COULD_NOT_MAP = "Lifecycle policy parsing failure: Could not map policyString into LifecyclePolicy."
#: Stands for a member that a rule is to go without.
ABSENT = object()


def rule(priority: object = 1, action: object = None, **selection: object) -> dict[str, Any]:
    """A rule; what is given replaces or adds a member of its selection, ABSENT removes one."""
    members: dict[str, object] = {
        "tagStatus": "untagged",
        "countType": "imageCountMoreThan",
        "countNumber": 1,
        **selection,
    }
    return {
        "rulePriority": priority,
        "selection": {name: value for name, value in members.items() if value is not ABSENT},
        "action": {"type": "expire"} if action is None else action,
    }


def since(count_type: str, days: int = 1, **more: object) -> dict[str, Any]:
    """The members of a selection by age."""
    return {"countType": count_type, "countUnit": "days", "countNumber": days, **more}


def tagged(*prefixes: str) -> dict[str, Any]:
    return {"tagStatus": "tagged", "tagPrefixList": list(prefixes)}


def patterns(*items: str) -> dict[str, Any]:
    return {"tagStatus": "tagged", "tagPatternList": list(items)}


ARCHIVED = since("sinceImageTransitioned", 90, storageClass="archive")
TRANSITION = {"type": "transition", "targetStorageClass": "archive"}


def policy(*rules: object, **more: object) -> str:
    return json.dumps({"rules": list(rules), **more})


def refusal(text: str) -> str:
    """The message that *text* is refused with."""
    with pytest.raises(InvalidLifecyclePolicy) as caught:
        parse_lifecycle_policy(text)
    assert str(caught.value) == caught.value.message
    return caught.value.message


# --- texts that do not parse -----------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        "some invalid input",
        "[]",
        '"rules"',
        "null",
        '{"rules": [}',
        policy(rule()) + "x",
        '{"rules": NaN}',
        '{"rules": [Infinity]}',
        "[" * 30_000,
        '{"rules":' * 3_000,
    ],
)
def test_text_that_is_no_json_object_is_a_parsing_failure(text: str) -> None:
    assert refusal(text) == COULD_NOT_MAP


@pytest.mark.parametrize(
    "broken",
    [
        rule(action={"type": "transition"}),
        rule(2**31),
        rule(countNumber=2**31),
        rule(countNumber=10**40),
    ],
)
def test_what_the_schema_allows_but_java_cannot_map_is_a_parsing_failure(broken: object) -> None:
    assert refusal(policy(broken)) == COULD_NOT_MAP


def test_the_greatest_java_int_is_a_number() -> None:
    parsed = parse_lifecycle_policy(policy(rule(2**31 - 1, countNumber=2**31 - 1)))
    assert parsed.rules[0].priority == parsed.rules[0].selection.count_number == 2**31 - 1


# --- the schema --------------------------------------------------------------------------------


def missing(*names: str) -> str:
    return f"object has missing required properties ({json.dumps(names, separators=(',', ':'))})"


def surplus(*names: str) -> str:
    listed = json.dumps(names, separators=(",", ":"))
    return f"object instance has properties which are not allowed by the schema: {listed}"


def mistyped(found: str, allowed: str) -> str:
    return (
        f"instance type ({found}) does not match any allowed primitive type "
        f'(allowed: ["{allowed}"])'
    )


NO_SELECTION_MATCHED = "instance failed to match exactly one schema (matched 0 out of 4)"
NO_ACTION_MATCHED = "instance failed to match exactly one schema (matched 0 out of 2)"


@pytest.mark.parametrize(
    ("document", "messages"),
    [
        # the policy
        ({}, [missing("rules")]),
        ({"x": 1}, [surplus("x"), missing("rules")]),
        ({"rules": [rule()], "version": 1, "id": 2}, [surplus("id", "version")]),
        ({"rules": None}, [mistyped("null", "array")]),
        ({"rules": {}}, [mistyped("object", "array")]),
        (
            {"rules": []},
            ["array is too short: must have at least 1 elements but instance has 0 elements"],
        ),
        (
            {"rules": [rule(n) for n in range(1, 52)]},
            ["array is too long: must have at most 50 elements but instance has 51 elements"],
        ),
        # a rule
        ({"rules": ["rule"]}, [mistyped("string", "object")]),
        ({"rules": [{}]}, [missing("action", "rulePriority", "selection")]),
        ({"rules": [{**rule(), "x": 1}]}, [surplus("x")]),
        (
            {"rules": [rule(0)]},
            ["numeric instance is lower than the required minimum (minimum: 1, found: 0)"],
        ),
        ({"rules": [rule("1")]}, [mistyped("string", "integer")]),
        ({"rules": [rule(1.5)]}, [mistyped("number", "integer")]),
        ({"rules": [rule(True)]}, [mistyped("boolean", "integer")]),
        ({"rules": [{**rule(), "description": None}]}, [mistyped("null", "string")]),
        ({"rules": [{**rule(), "selection": []}]}, [mistyped("array", "object")]),
        # a selection
        (
            {"rules": [{**rule(), "selection": {}}]},
            [missing("countNumber", "countType", "tagStatus")],
        ),
        ({"rules": [rule(x=1)]}, [surplus("x")]),
        (
            {"rules": [rule(tagStatus="TAGGED")]},
            [
                'instance value ("TAGGED") not found in enum '
                '(possible values: ["any","tagged","untagged"])'
            ],
        ),
        (
            {"rules": [rule(**since("sinceImagePushed", countUnit="weeks"))]},
            ['instance value ("weeks") not found in enum (possible values: ["days"])'],
        ),
        (
            {"rules": [rule(storageClass="STANDARD")]},
            [
                'instance value ("STANDARD") not found in enum '
                '(possible values: ["archive","standard"])'
            ],
        ),
        (
            {"rules": [rule(countNumber=0)]},
            ["numeric instance is lower than the required minimum (minimum: 1, found: 0)"],
        ),
        ({"rules": [rule(countNumber="10")]}, [mistyped("string", "integer")]),
        (
            {"rules": [rule(tagPrefixList=None, tagPatternList=None)]},
            [mistyped("null", "array"), mistyped("null", "array")],
        ),
        ({"rules": [rule(**tagged("v"), tagPatternList=[1])]}, [mistyped("integer", "string")]),
        ({"rules": [rule(countType="age")]}, [NO_SELECTION_MATCHED]),
        ({"rules": [rule(countType=None)]}, [NO_SELECTION_MATCHED]),
        ({"rules": [rule(countUnit="days")]}, [NO_SELECTION_MATCHED]),
        ({"rules": [rule(countUnit=None)]}, [NO_SELECTION_MATCHED]),
        ({"rules": [rule(countType="sinceImagePushed")]}, [NO_SELECTION_MATCHED]),
        ({"rules": [rule(countType="sinceImagePulled")]}, [NO_SELECTION_MATCHED]),
        ({"rules": [rule(**since("sinceImageTransitioned", 90))]}, [NO_SELECTION_MATCHED]),
        # an action
        ({"rules": [rule(action={})]}, [missing("type")]),
        ({"rules": [rule(action={"type": "expire", "x": 1})]}, [surplus("x")]),
        ({"rules": [rule(action={"type": "delete"})]}, [NO_ACTION_MATCHED]),
        ({"rules": [rule(action={"type": None})]}, [NO_ACTION_MATCHED]),
        (
            {"rules": [rule(action={"type": "expire", "targetStorageClass": None})]},
            [NO_ACTION_MATCHED],
        ),
        (
            {"rules": [rule(action={"type": "expire", "targetStorageClass": "archive"})]},
            [NO_ACTION_MATCHED],
        ),
        (
            {"rules": [rule(action={"type": "transition", "targetStorageClass": "glacier"})]},
            [NO_ACTION_MATCHED],
        ),
        (
            {"rules": [rule(action={"type": "transition", "targetStorageClass": None})]},
            [NO_ACTION_MATCHED],
        ),
    ],
)
def test_the_schema_speaks_as_the_library_does(document: object, messages: list[str]) -> None:
    assert refusal(json.dumps(document)) == VALIDATION + "".join(f"{m}\n" for m in messages)


def test_neighbours_are_reported_together_and_nothing_below_them() -> None:
    first = rule(0, action={"type": "delete"}, countUnit="days", tagStatus="x")
    second = {"rulePriority": 0}
    assert refusal(policy(rule(), first, second)) == VALIDATION + "".join(
        f"{message}\n"
        for message in (
            NO_ACTION_MATCHED,
            "numeric instance is lower than the required minimum (minimum: 1, found: 0)",
            NO_SELECTION_MATCHED,
            missing("action", "selection"),
        )
    )


def test_a_refusal_does_not_grow_beyond_measure() -> None:
    message = refusal(policy(rule(tagStatus="tagged", tagPrefixList=[1] * 15_000)))
    assert message.count("\n") == 100


# --- the rules among each other ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([rule(1), rule(1, **tagged("v"))], "Duplicate priority in multiple rules"),
        (
            [rule(1), rule(2)],
            "Only one rule can select Untagged images per storage class",
        ),
        (
            [rule(1, **ARCHIVED), rule(2, **ARCHIVED)],
            "Only one rule can select Untagged images per storage class",
        ),
        (
            [rule(1, tagStatus="any"), rule(2, tagStatus="any")],
            "Only one rule can specify tagStatus=ANY",
        ),
        (
            [rule(1, tagStatus="any"), rule(2)],
            "Rule for tagStatus=ANY must have the lowest priority per storage class",
        ),
        (
            [rule(2), rule(1, tagStatus="any")],
            "Rule for tagStatus=ANY must have the lowest priority per storage class",
        ),
        (
            [rule(tagStatus="tagged")],
            "Must specify tagPrefixList or tagPatternList when tagStatus=TAGGED.",
        ),
        (
            [rule(**tagged(), tagPatternList=[])],
            "Must specify tagPrefixList or tagPatternList when tagStatus=TAGGED.",
        ),
        (
            [rule(**tagged("v"), tagPatternList=["v*"])],
            "If policy has a tagged rule, it must specify only one of tagPrefixList or "
            "tagPatternList",
        ),
        (
            [rule(tagPrefixList=["v"])],
            "Cannot specify tagPrefixList with tagStatus untagged",
        ),
        (
            [rule(tagStatus="any", tagPatternList=["v*"])],
            "Cannot specify tagPatternList with tagStatus any",
        ),
        ([rule(**patterns("test*1*2*3*4*5*6"))], "Invalid tag pattern provided"),
        *(
            (
                [rule(**members, storageClass="archive")],
                "SINCE_IMAGE_PUSHED, SINCE_IMAGE_PULLED and IMAGE_COUNT_MORE_THAN support the "
                "STANDARD storage class only",
            )
            for members in ({}, since("sinceImagePushed"), since("sinceImagePulled"))
        ),
        (
            [rule(**since("sinceImagePulled"))],
            "SINCE_IMAGE_PULLED supports the TRANSITION action only",
        ),
        (
            [rule(**{**ARCHIVED, "storageClass": "standard"})],
            "SINCE_IMAGE_TRANSITIONED supports the ARCHIVE storage class only",
        ),
        (
            [rule(action=TRANSITION, **ARCHIVED)],
            "SINCE_IMAGE_TRANSITIONED supports the EXPIRE action only",
        ),
        (
            [rule(**{**ARCHIVED, "countNumber": 89})],
            "SINCE_IMAGE_TRANSITIONED supports a countNumber of at least 90 only",
        ),
        (
            [rule(1, **tagged("a", "b")), rule(2, **tagged("b", "a"))],
            "Only one rule can select the same tagPrefixList per storage class",
        ),
        (
            [rule(1, **patterns("a*")), rule(2, **patterns("a*"))],
            "Only one rule can select the same tagPatternList per storage class",
        ),
    ],
)
def test_rules_that_cannot_stand(rules: list[object], message: str) -> None:
    assert refusal(policy(*rules)) == VALIDATION + message


@pytest.mark.parametrize(
    "rules",
    [
        # User guide: valid with four wildcards.
        [rule(**patterns("*test*1*2*3", "test*1*2*3*"))],
        [rule(1, **tagged("a")), rule(2, **tagged("a", "b")), rule(3, **patterns("a"))],
        # One untagged and one any rule in each class.
        [
            rule(1),
            rule(2, tagStatus="any"),
            rule(3, **ARCHIVED),
            rule(4, **{**ARCHIVED, "tagStatus": "any"}),
        ],
        [rule(1, tagStatus="any"), rule(2, **{**ARCHIVED, **tagged("v")})],
        [rule(1, **tagged("v")), rule(2, **{**ARCHIVED, **tagged("v")})],
        # Public Terraform modules put these.
        [rule(action=TRANSITION, **patterns("*"))],
        [rule(action=TRANSITION, **since("sinceImagePushed"))],
        [rule(action=TRANSITION, **since("sinceImagePulled", storageClass="standard"))],
        [rule(tagPrefixList=[], tagPatternList=[])],
        [rule(n, **tagged(f"v{n}")) for n in range(1, 51)],
    ],
)
def test_rules_that_can_stand(rules: list[object]) -> None:
    assert len(parse_lifecycle_policy(policy(*rules)).rules) == len(rules)


# --- values and echo ---------------------------------------------------------------------------


def test_a_policy_is_read_into_rules_by_priority() -> None:
    text = policy(
        {**rule(20, **{**ARCHIVED, "tagStatus": "any"}), "description": "deep clean"},
        rule(7, action=TRANSITION, **{**since("sinceImagePulled", 30), **patterns("a*", "b")}),
        rule(3, **tagged("v")),
    )
    assert parse_lifecycle_policy(text) == LifecyclePolicy(
        (
            LifecycleRule(
                3,
                LifecycleSelection("tagged", "imageCountMoreThan", 1, tag_prefixes=("v",)),
                LifecycleAction("expire"),
            ),
            LifecycleRule(
                7,
                LifecycleSelection(
                    "tagged", "sinceImagePulled", 30, "days", tag_patterns=("a*", "b")
                ),
                LifecycleAction("transition", "archive"),
            ),
            LifecycleRule(
                20,
                LifecycleSelection(
                    "any", "sinceImageTransitioned", 90, "days", storage_class="archive"
                ),
                LifecycleAction("expire"),
                "deep clean",
            ),
        )
    )


def test_the_echo_is_compact_ordered_and_leaves_out_what_was_absent() -> None:
    text = """
    {"rules": [
        {"action": {"targetStorageClass": "archive", "type": "transition"},
         "selection": {"countNumber": 30, "countUnit": "days", "countType": "sinceImagePulled",
                       "storageClass": "standard", "tagPatternList": ["*"], "tagStatus": "tagged"},
         "rulePriority": 9},
        {"action": {"type": "expire"},
         "selection": {"countNumber": 14, "countUnit": "days", "countType": "sinceImagePushed",
                       "tagStatus": "untagged"},
         "description": "Expire images older than 14 days — \\u00e9t\\u00e9", "rulePriority": 1}]}
    """
    assert render_lifecycle_policy(parse_lifecycle_policy(text)) == (
        '{"rules":[{"rulePriority":1,"description":"Expire images older than 14 days — été",'
        '"selection":{"tagStatus":"untagged","countType":"sinceImagePushed","countUnit":"days",'
        '"countNumber":14},"action":{"type":"expire"}},'
        '{"rulePriority":9,"selection":{"tagStatus":"tagged","tagPatternList":["*"],'
        '"storageClass":"standard","countType":"sinceImagePulled","countUnit":"days",'
        '"countNumber":30},"action":{"type":"transition","targetStorageClass":"archive"}}]}'
    )


def test_half_a_surrogate_pair_does_not_reach_an_answer() -> None:
    text = policy({**rule(), "description": "\ud800"})
    assert '"description":"?"' in render_lifecycle_policy(parse_lifecycle_policy(text))
    assert surplus("?") in refusal(policy(rule(), **{"\ud800": 1}))


def test_long_numbers_are_read_in_no_time() -> None:
    started = time.process_time()
    assert refusal('{"rules": [' + "9" * 3_000_000 + "]}").startswith(VALIDATION)
    assert time.process_time() - started < 1


names = st.sampled_from(
    [
        *("rules", "rulePriority", "description", "selection", "action", "type"),
        *("tagStatus", "tagPrefixList", "tagPatternList", "storageClass", "targetStorageClass"),
        *("countType", "countUnit", "countNumber", "x"),
    ]
)
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.sampled_from(["tagged", "untagged", "any", "expire", "transition", "archive", "days"]),
)
documents = st.recursive(
    values, lambda inner: st.lists(inner) | st.dictionaries(names, inner), max_leaves=30
)


@given(documents | st.fixed_dictionaries({"rules": st.lists(documents, max_size=3)}))
def test_any_json_is_taken_or_refused_with_words(document: object) -> None:
    try:
        words = render_lifecycle_policy(parse_lifecycle_policy(json.dumps(document)))
    except InvalidLifecyclePolicy as error:
        words = error.message
    assert words.startswith(('{"rules":[{', VALIDATION, COULD_NOT_MAP))
    assert words.encode()


selections = st.one_of(
    st.just({}),
    st.lists(st.text(), min_size=1).map(lambda items: tagged(*items)),
    st.lists(st.text(alphabet="ab*", max_size=4), min_size=1).map(lambda items: patterns(*items)),
)


@given(
    st.lists(st.tuples(st.integers(1, 9), selections, st.text()), min_size=1, max_size=3),
    st.randoms(use_true_random=False),
)
def test_an_echo_reads_as_the_policy_it_renders(
    parts: list[tuple[int, dict[str, Any], str]], random: Any
) -> None:
    rules = [{**rule(n, **members), "description": words} for n, members, words in parts]
    try:
        parsed = parse_lifecycle_policy(policy(*rules))
    except InvalidLifecyclePolicy:
        return
    echo = render_lifecycle_policy(parsed)
    assert parse_lifecycle_policy(echo) == parsed
    random.shuffle(rules)
    assert render_lifecycle_policy(parse_lifecycle_policy(policy(*rules))) == echo

"""Set operators: ForAllValues and ForAnyValue over keys with several values."""

from __future__ import annotations

from typing import Any

from . import (
    CONDITION_KEYS,
    MULTIVALUED_EXAMPLES,
    OPERATORS,
    PULL,
    SET_OPERATORS,
    Case,
    allow,
    deny,
    row,
)

YES, NO = True, False
TAGS = "aws:TagKeys"
PATHS = "aws:PrincipalOrgPaths"
ENVIRONMENT = {
    "StringEqualsIgnoreCase": {"aws:RequestTag/environment": ["preprod", "storage"]},
    "ForAnyValue:StringEquals": {TAGS: "environment"},
}
SOURCES = [
    "arn:aws:cloudfront::123456789012:distribution/*",
    "arn:aws:cloudfront::123456789012:distribution/support*",
]
ARNS = "logs:LogGeneratingResourceArns"
COSTS = "arn:aws:cloudfront::123456789012:distribution/costcenter"
SUPPORT = "arn:aws:cloudfront::123456789012:distribution/support2025"
ELSEWHERE = "arn:aws:cloudfront::777788889999:distribution/costcenter"

_ATTRIBUTES = ["PostDateTime", "Message", "Tags"]
_ASKED = "dynamodb:requestedAttributes"

#: (page, operator, key, values of the policy, values of the request or None, whether it holds)
_ONE_KEY: list[tuple[str, str, str, Any, Any, bool]] = [
    # ForAllValues: a positive operator
    (SET_OPERATORS, "ForAllValues:StringLike", _ASKED, _ATTRIBUTES, ["PostDateTime"], YES),
    (SET_OPERATORS, "ForAllValues:StringLike", _ASKED, _ATTRIBUTES, ["Message", "Tags"], YES),
    (SET_OPERATORS, "ForAllValues:StringLike", _ASKED, _ATTRIBUTES, ["Tags", "UserName"], NO),
    (SET_OPERATORS, "ForAllValues:StringLike", _ASKED, _ATTRIBUTES, ["UserName"], NO),
    (SET_OPERATORS, "ForAllValues:StringLike", _ASKED, _ATTRIBUTES, None, YES),
    (SET_OPERATORS, "ForAllValues:StringLike", _ASKED, _ATTRIBUTES, [], YES),
    (SET_OPERATORS, "ForAllValues:StringLike", _ASKED, _ATTRIBUTES, [""], YES),
    (SET_OPERATORS, "ForAllValues:StringEquals", TAGS, ["a", "b"], ["b", "a"], YES),
    (SET_OPERATORS, "ForAllValues:StringEquals", TAGS, ["a", "b"], ["A"], NO),
    (SET_OPERATORS, "ForAllValues:StringEqualsIgnoreCase", TAGS, ["a", "b"], ["A", "B"], YES),
    (SET_OPERATORS, "ForAllValues:StringEquals", TAGS, "a", ["a", "a"], YES),
    # ForAllValues: a negated one holds when no value matches
    (MULTIVALUED_EXAMPLES, "ForAllValues:StringNotLike", TAGS, "key1*", ["key1:legal"], NO),
    (
        MULTIVALUED_EXAMPLES,
        "ForAllValues:StringNotLike",
        TAGS,
        "key1*",
        ["key1:hr", "key1:personnel"],
        NO,
    ),
    (MULTIVALUED_EXAMPLES, "ForAllValues:StringNotLike", TAGS, "key1*", ["key2:audit"], YES),
    (MULTIVALUED_EXAMPLES, "ForAllValues:StringNotLike", TAGS, "key1*", None, YES),
    (
        MULTIVALUED_EXAMPLES,
        "ForAllValues:StringNotLike",
        TAGS,
        ["key1*", "key2*"],
        ["key1:hr", "key2:audit"],
        NO,
    ),
    (
        MULTIVALUED_EXAMPLES,
        "ForAllValues:StringNotLike",
        TAGS,
        ["key1*", "key2*"],
        ["key3:legal"],
        YES,
    ),
    (MULTIVALUED_EXAMPLES, "ForAllValues:StringNotLike", TAGS, ["key1*", "key2*"], None, YES),
    (OPERATORS, "ForAllValues:StringNotEquals", TAGS, ["a", "b"], ["c", "d"], YES),
    (OPERATORS, "ForAllValues:StringNotEquals", TAGS, ["a", "b"], ["c", "a"], NO),
    # ForAnyValue: a positive operator
    (MULTIVALUED_EXAMPLES, "ForAnyValue:StringEquals", TAGS, "webserver", ["webserver"], YES),
    (
        MULTIVALUED_EXAMPLES,
        "ForAnyValue:StringEquals",
        TAGS,
        "webserver",
        ["environment", "webserver", "test"],
        YES,
    ),
    (
        MULTIVALUED_EXAMPLES,
        "ForAnyValue:StringEquals",
        TAGS,
        "webserver",
        ["environment", "test"],
        NO,
    ),
    (MULTIVALUED_EXAMPLES, "ForAnyValue:StringEquals", TAGS, "webserver", None, NO),
    (SET_OPERATORS, "ForAnyValue:StringEquals", TAGS, "webserver", [], NO),
    (SET_OPERATORS, "ForAnyValue:StringEquals", TAGS, ["", "webserver"], [""], NO),
    (SET_OPERATORS, "ForAnyValue:StringLike", TAGS, "web*", ["x", "website"], YES),
    (SET_OPERATORS, "ForAnyValue:StringEqualsIfExists", TAGS, "a", None, YES),
    (SET_OPERATORS, "ForAnyValue:StringEqualsIfExists", TAGS, "a", ["b"], NO),
    (SET_OPERATORS, "ForAllValues:StringEqualsIfExists", TAGS, "a", ["a", "b"], NO),
    # ForAnyValue: a negated one holds when some value matches none
    (OPERATORS, "ForAnyValue:StringNotEquals", TAGS, ["a", "b"], ["a", "c"], YES),
    (OPERATORS, "ForAnyValue:StringNotEquals", TAGS, ["a", "b"], ["a", "b"], NO),
    (OPERATORS, "ForAnyValue:StringNotEquals", TAGS, ["a", "b"], None, NO),
    (OPERATORS, "ForAnyValue:StringNotLike", TAGS, ["a*"], ["ab", "b"], YES),
    (OPERATORS, "ForAnyValue:StringNotLike", TAGS, ["a*"], ["ab"], NO),
    # ARN and Bool
    (OPERATORS, "ForAllValues:ArnLike", ARNS, SOURCES, [COSTS], YES),
    (OPERATORS, "ForAllValues:ArnLike", ARNS, SOURCES, [COSTS, SUPPORT], YES),
    (OPERATORS, "ForAllValues:ArnLike", ARNS, SOURCES, [ELSEWHERE], NO),
    (OPERATORS, "ForAllValues:ArnLike", ARNS, SOURCES, [COSTS, ELSEWHERE], NO),
    (OPERATORS, "ForAllValues:ArnLike", ARNS, SOURCES, None, YES),
    (OPERATORS, "ForAnyValue:ArnLike", ARNS, SOURCES, [COSTS, ELSEWHERE], YES),
    (OPERATORS, "ForAnyValue:ArnEquals", ARNS, SOURCES, [ELSEWHERE], NO),
    (OPERATORS, "ForAllValues:ArnNotEquals", ARNS, SOURCES, [ELSEWHERE], YES),
    (OPERATORS, "ForAnyValue:ArnNotLike", ARNS, SOURCES, [COSTS], NO),
    (OPERATORS, "ForAllValues:Bool", "a:flags", "true", ["true", "true"], YES),
    (OPERATORS, "ForAllValues:Bool", "a:flags", "true", ["true", "false"], NO),
    (OPERATORS, "ForAnyValue:Bool", "a:flags", "true", ["true", "false"], YES),
    # Keys of organizations
    (
        CONDITION_KEYS,
        "ForAnyValue:StringLike",
        PATHS,
        "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/*",
        ["o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/ou-ab12-22222222/"],
        YES,
    ),
    (
        CONDITION_KEYS,
        "ForAnyValue:StringEquals",
        PATHS,
        "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/",
        ["o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/ou-ab12-22222222/"],
        NO,
    ),
]

_TOGETHER: list[Case] = [
    row(OPERATORS, ENVIRONMENT, {TAGS: ["environment"], "aws:RequestTag/environment": t}, holds)
    for t, holds in (("preprod", YES), ("PreProd", YES), ("production", NO))
] + [
    row(
        OPERATORS,
        ENVIRONMENT,
        {TAGS: ["environment", "costcenter"], "aws:RequestTag/environment": "PreProd"},
        YES,
    ),
    row(
        OPERATORS,
        ENVIRONMENT,
        {TAGS: ["Environment"], "aws:RequestTag/Environment": "preprod"},
        NO,
    ),
    row(
        OPERATORS, ENVIRONMENT, {TAGS: ["costcenter"], "aws:RequestTag/environment": "preprod"}, NO
    ),
    row(OPERATORS, ENVIRONMENT, {"aws:RequestTag/environment": "storage"}, NO),
    row(OPERATORS, ENVIRONMENT, {TAGS: ["environment"]}, NO),
    row(OPERATORS, ENVIRONMENT, {}, NO),
    # The way out of ForAllValues' vacuous truth that the page recommends.
    row(
        SET_OPERATORS,
        {"ForAllValues:StringEquals": {TAGS: ["a"]}, "Null": {TAGS: "false"}},
        {},
        NO,
    ),
    row(
        SET_OPERATORS,
        {"ForAllValues:StringEquals": {TAGS: ["a"]}, "Null": {TAGS: "false"}},
        {TAGS: ["a"]},
        YES,
    ),
    Case(
        page=SET_OPERATORS,
        title="a Deny with ForAnyValue meets one of the values",
        expected="explicit deny",
        identity=allow() + deny(Condition={"ForAnyValue:StringLike": {_ASKED: ["ID", "Post*"]}}),
        context={_ASKED: ["UserName", "Message", "PostDateTime"]},
    ),
    Case(
        page=SET_OPERATORS,
        title="a Deny with ForAnyValue meets none of the values",
        expected="allow",
        identity=allow() + deny(Condition={"ForAnyValue:StringLike": {_ASKED: ["ID", "Post*"]}}),
        context={_ASKED: ["UserName"]},
    ),
    Case(
        page=SET_OPERATORS,
        title="a Deny with ForAllValues denies when the key is missing",
        expected="explicit deny",
        identity=allow() + deny(PULL, Condition={"ForAllValues:StringEquals": {TAGS: "a"}}),
    ),
]

CASES: list[Case] = [
    row(page, {operator: {key: values}}, {} if given is None else {key: given}, holds)
    for page, operator, key, values, given, holds in _ONE_KEY
] + _TOGETHER

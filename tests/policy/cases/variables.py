"""Policy variables, and the language version that knows them."""

from __future__ import annotations

from . import (
    CONDITION,
    PULL,
    VARIABLES,
    VERSION,
    Case,
    Policy,
    allow,
    deny,
)

BUCKET = "arn:aws:s3:::amzn-s3-demo-bucket"
ACCOUNT = "111122223333"


def _variable(
    title: str,
    identity: Policy,
    context: dict[str, str | list[str]],
    expected: str,
    *,
    resource: str = f"{BUCKET}/alice/notes",
    page: str = VARIABLES,
) -> Case:
    return Case(
        page=page,
        title=title,
        expected=expected,
        action="s3:GetObject",
        resource=resource,
        identity=identity,
        context=context,
        resource_account=ACCOUNT,
    )


_OWN = allow("s3:*", f"{BUCKET}/${{aws:username}}/*")
_TEAM = allow("s3:*", f"{BUCKET}-${{aws:PrincipalTag/team, 'company-wide'}}")
_OLD = {"Version": "2008-10-17", "Statement": _OWN}
_UNDATED = {"Statement": _OWN}
_HOME = allow(
    "s3:*", Condition={"StringLike": {"s3:prefix": ["", "home/", "home/${aws:username}/"]}}
)
_SAME_TEAM = {"s3:ExistingObjectTag/Team": "${aws:PrincipalTag/Team}"}
_DENY_OTHER_TEAM = allow("s3:*") + deny("s3:*", Condition={"StringNotEquals": _SAME_TEAM})

_VARIABLES = [
    _variable("the user's own folder", _OWN, {"aws:username": "alice"}, "allow"),
    _variable("another user's folder", _OWN, {"aws:username": "bob"}, "implicit deny"),
    _variable("a variable without a value matches no resource", _OWN, {}, "implicit deny"),
    _variable("variable names know no case", _OWN, {"AWS:UserName": "alice"}, "allow"),
    _variable(
        "what a variable brings in is no wildcard", _OWN, {"aws:username": "*"}, "implicit deny"
    ),
    _variable(
        "and is compared as it is",
        _OWN,
        {"aws:username": "*"},
        "allow",
        resource=f"{BUCKET}/*/notes",
    ),
    _variable(
        "no variables in 2008-10-17", _OLD, {"aws:username": "alice"}, "implicit deny", page=VERSION
    ),
    _variable(
        "in 2008-10-17 the text stands for itself",
        _OLD,
        {"aws:username": "alice"},
        "allow",
        resource=f"{BUCKET}/${{aws:username}}/notes",
        page=VERSION,
    ),
    _variable(
        "a policy without Version is of 2008-10-17",
        _UNDATED,
        {"aws:username": "alice"},
        "implicit deny",
        page=VERSION,
    ),
    _variable(
        "a default where there is no value",
        _TEAM,
        {},
        "allow",
        resource=f"{BUCKET}-company-wide",
    ),
    _variable(
        "the value where there is one",
        _TEAM,
        {"aws:PrincipalTag/team": "yellow"},
        "allow",
        resource=f"{BUCKET}-yellow",
    ),
    _variable(
        "not the default where there is a value",
        _TEAM,
        {"aws:PrincipalTag/team": "yellow"},
        "implicit deny",
        resource=f"{BUCKET}-company-wide",
    ),
    _variable(
        "${*} is an asterisk",
        allow("s3:*", f"{BUCKET}/${{*}}"),
        {},
        "allow",
        resource=f"{BUCKET}/*",
    ),
    _variable("${*} is no wildcard", allow("s3:*", f"{BUCKET}/${{*}}"), {}, "implicit deny"),
    _variable(
        "${?} is a question mark",
        allow("s3:*", f"{BUCKET}/a${{?}}"),
        {},
        "allow",
        resource=f"{BUCKET}/a?",
    ),
    _variable(
        "${?} is no wildcard",
        allow("s3:*", f"{BUCKET}/a${{?}}"),
        {},
        "implicit deny",
        resource=f"{BUCKET}/ab",
    ),
    _variable(
        "${$} is a dollar sign",
        allow("s3:*", f"{BUCKET}/${{$}}{{aws:username}}"),
        {"aws:username": "alice"},
        "allow",
        resource=f"{BUCKET}/${{aws:username}}",
    ),
    _variable(
        "several variables in one resource",
        allow("s3:*", f"{BUCKET}/${{aws:PrincipalTag/a}}-${{aws:PrincipalTag/b}}-*"),
        {"aws:PrincipalTag/a": "x", "aws:PrincipalTag/b": "y"},
        "allow",
        resource=f"{BUCKET}/x-y-z",
    ),
    _variable(
        "no variables before the fifth colon",
        allow("s3:*", "arn:aws:s3::${aws:PrincipalAccount}:bucket"),
        {"aws:PrincipalAccount": ACCOUNT},
        "implicit deny",
        resource=f"arn:aws:s3::{ACCOUNT}:bucket",
    ),
    _variable(
        "a multivalued key is no variable",
        allow("s3:*", f"{BUCKET}/${{aws:TagKeys}}"),
        {"aws:TagKeys": ["alice"]},
        "implicit deny",
        resource=f"{BUCKET}/alice",
    ),
    _variable(
        "a variable in a condition",
        _HOME,
        {"aws:username": "martha_rivera", "s3:prefix": "home/martha_rivera/"},
        "allow",
    ),
    _variable(
        "another user's prefix",
        _HOME,
        {"aws:username": "nikki_wolf", "s3:prefix": "home/martha_rivera/"},
        "implicit deny",
    ),
    _variable(
        "no user name, and no match",
        _HOME,
        {"s3:prefix": "home/martha_rivera/"},
        "implicit deny",
    ),
    _variable(
        "StringEquals takes ${*} for an asterisk",
        allow("s3:*", Condition={"StringEquals": {"s3:prefix": "${*}"}}),
        {"s3:prefix": "*"},
        "allow",
    ),
    _variable(
        "a negated operator matches a variable without a value",
        _DENY_OTHER_TEAM,
        {"s3:ExistingObjectTag/Team": "yellow"},
        "explicit deny",
    ),
    _variable(
        "a negated operator with equal values",
        _DENY_OTHER_TEAM,
        {"s3:ExistingObjectTag/Team": "yellow", "aws:PrincipalTag/Team": "yellow"},
        "allow",
    ),
    _variable(
        "a positive operator does not match a variable without a value",
        allow("s3:*", Condition={"StringEquals": _SAME_TEAM}),
        {"s3:ExistingObjectTag/Team": "yellow"},
        "implicit deny",
    ),
    _variable(
        "a variable in an ARN operator",
        allow(
            "s3:*", Condition={"ArnLike": {"aws:SourceArn": "arn:aws:sns:*:*:${aws:username}-*"}}
        ),
        {"aws:username": "alice", "aws:SourceArn": f"arn:aws:sns:us-east-1:{ACCOUNT}:alice-topic"},
        "allow",
    ),
    _variable(
        "no variables in a numeric operator",
        allow("s3:*", Condition={"NumericEquals": {"s3:max-keys": "${s3:limit}"}}),
        {"s3:max-keys": "5", "s3:limit": "5"},
        "implicit deny",
    ),
    _variable(
        "no variables in an IP address operator",
        allow("s3:*", Condition={"IpAddress": {"aws:SourceIp": "${aws:VpcSourceIp}"}}),
        {"aws:SourceIp": "10.0.0.1", "aws:VpcSourceIp": "10.0.0.1"},
        "implicit deny",
    ),
    _variable(
        "a NotResource whose variable has no value leaves nothing out",
        [
            *allow("s3:*"),
            {
                "Effect": "Deny",
                "Action": "s3:*",
                "NotResource": f"{BUCKET}/${{aws:username}}/*",
            },
        ],
        {},
        "explicit deny",
    ),
    Case(
        page=CONDITION,
        title="condition keys know no case",
        expected="allow",
        action=PULL,
        identity=allow(Condition={"StringEquals": {"AWS:PRINCIPALTAG/Team": "a"}}),
        context={"aws:PrincipalTag/team": "a"},
    ),
    Case(
        page=CONDITION,
        title="an empty Condition is no condition",
        expected="allow",
        identity=allow(Condition={}),
    ),
]


CASES: list[Case] = _VARIABLES

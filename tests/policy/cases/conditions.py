"""Conditions: every operator with a matching, an unlike and a missing key, and IfExists."""

from __future__ import annotations

from typing import Any

from . import ECR_ENDPOINTS, MULTIPLE_CONDITIONS, OPERATORS, Case, row

YES, NO = True, False
JOB = "aws:PrincipalTag/job-category"
TYPE = "ec2:InstanceType"
TYPES = ["t1.*", "t2.*", "m3.*"]
TOPIC = "arn:aws:sns:us-west-2:123456789012:TOPIC-ID"
FINANCE = "arn:aws:someservice:*:111122223333:finance/*"
LONG_ARN = "arn:aws:someservice:us-east-2:999999999999:store/abc:111122223333:finance/document.txt"
IP, TIME, ISSUED, TLS = (
    "aws:SourceIp",
    "aws:CurrentTime",
    "aws:TokenIssueTime",
    "aws:SecureTransport",
)

#: (operator, key, values of the policy, value of the request or None, whether it holds)
_ONE_KEY: list[tuple[str, str, Any, Any, bool]] = [
    # String
    ("StringEquals", JOB, "iamuser-admin", "iamuser-admin", YES),
    ("StringEquals", JOB, "iamuser-admin", "dev-ops", NO),
    ("StringEquals", JOB, "iamuser-admin", None, NO),
    ("StringEquals", JOB, "iamuser-admin", "IAMUSER-ADMIN", NO),
    ("StringEquals", JOB, "iamuser-*", "iamuser-admin", NO),
    ("StringEquals", JOB, "iamuser-*", "iamuser-*", YES),
    ("StringEquals", JOB, ["a", "b"], "b", YES),
    ("StringEquals", JOB, ["a", "b"], "c", NO),
    ("StringEqualsIfExists", JOB, "a", None, YES),
    ("StringEqualsIfExists", JOB, "a", "a", YES),
    ("StringEqualsIfExists", JOB, "a", "b", NO),
    ("StringNotEquals", JOB, "a", "b", YES),
    ("StringNotEquals", JOB, "a", "a", NO),
    ("StringNotEquals", JOB, "a", "A", YES),
    ("StringNotEquals", JOB, "a", None, YES),
    ("StringNotEquals", JOB, ["a", "b"], "b", NO),
    ("StringNotEquals", JOB, ["a", "b"], "c", YES),
    ("StringNotEqualsIfExists", JOB, "a", None, YES),
    ("StringNotEqualsIfExists", JOB, "a", "a", NO),
    ("StringEqualsIgnoreCase", JOB, "preprod", "PreProd", YES),
    ("StringEqualsIgnoreCase", JOB, "preprod", "storage", NO),
    ("StringEqualsIgnoreCase", JOB, "preprod", None, NO),
    ("StringNotEqualsIgnoreCase", JOB, "preprod", "PREPROD", NO),
    ("StringNotEqualsIgnoreCase", JOB, "preprod", "prod", YES),
    ("StringNotEqualsIgnoreCase", JOB, "preprod", None, YES),
    ("StringLike", TYPE, TYPES, "t1.micro", YES),
    ("StringLike", TYPE, TYPES, "m2.micro", NO),
    ("StringLike", TYPE, TYPES, None, NO),
    ("StringLike", TYPE, "T1.*", "t1.micro", NO),
    ("StringLike", TYPE, "t?.micro", "t2.micro", YES),
    ("StringLike", TYPE, "t?.micro", "t.micro", NO),
    ("StringLike", TYPE, "t1", "t1.micro", NO),
    ("StringLike", "s3:prefix", ["", "home/"], "", YES),
    ("StringLike", "s3:prefix", ["", "home/"], "home/", YES),
    ("StringLike", "s3:prefix", ["", "home/"], "home/x", NO),
    ("StringLikeIfExists", TYPE, TYPES, "t1.micro", YES),
    ("StringLikeIfExists", TYPE, TYPES, "m2.micro", NO),
    ("StringLikeIfExists", TYPE, TYPES, None, YES),
    ("StringNotLike", TYPE, TYPES, "m2.micro", YES),
    ("StringNotLike", TYPE, TYPES, "t2.nano", NO),
    ("StringNotLike", TYPE, TYPES, None, YES),
    # Numeric
    ("NumericEquals", "s3:max-keys", "10", "10", YES),
    ("NumericEquals", "s3:max-keys", "10", "10.0", YES),
    ("NumericEquals", "s3:max-keys", "10", "11", NO),
    ("NumericEquals", "s3:max-keys", "10", None, NO),
    ("NumericEquals", "s3:max-keys", 10, "10", YES),
    ("NumericEquals", "s3:max-keys", "10", "ten", NO),
    ("NumericNotEquals", "s3:max-keys", "10", "11", YES),
    ("NumericNotEquals", "s3:max-keys", "10", "10", NO),
    ("NumericNotEquals", "s3:max-keys", "10", None, YES),
    ("NumericLessThan", "s3:max-keys", "10", "9.5", YES),
    ("NumericLessThan", "s3:max-keys", "10", "10", NO),
    ("NumericLessThanEquals", "s3:max-keys", "10", "10", YES),
    ("NumericLessThanEquals", "s3:max-keys", "10", "11", NO),
    ("NumericLessThanEquals", "s3:max-keys", "10", None, NO),
    ("NumericGreaterThan", "s3:max-keys", "10", "11", YES),
    ("NumericGreaterThan", "s3:max-keys", "10", "10", NO),
    ("NumericGreaterThanEquals", "s3:max-keys", "10", "10", YES),
    ("NumericGreaterThanEquals", "s3:max-keys", "10", "-10", NO),
    ("NumericLessThanIfExists", "s3:max-keys", "10", None, YES),
    # Date
    ("DateEquals", TIME, "2020-01-01T00:00:01Z", "2020-01-01T00:00:01Z", YES),
    ("DateEquals", TIME, "2020-01-01T01:00:01+01:00", "2020-01-01T00:00:01Z", YES),
    ("DateEquals", TIME, "1577836801", "2020-01-01T00:00:01Z", YES),
    ("DateEquals", TIME, "2020-01-01T00:00:02Z", "2020-01-01T00:00:01Z", NO),
    ("DateEquals", TIME, "2020-01-01T00:00:01Z", None, NO),
    ("DateNotEquals", TIME, "2020-01-01T00:00:01Z", "2020-01-01T00:00:02Z", YES),
    ("DateNotEquals", TIME, "2020-01-01T00:00:01Z", None, YES),
    ("DateLessThan", TIME, "2020-01-02", "2020-01-01T23:59:59Z", YES),
    ("DateLessThan", TIME, "2020-01-02", "2020-01-02T00:00:00Z", NO),
    ("DateLessThanEquals", TIME, "2020-01-02", "2020-01-02T00:00:00Z", YES),
    ("DateLessThanEquals", TIME, "2020", "2020-01-01T00:00:01Z", NO),
    ("DateGreaterThan", ISSUED, "2020-01-01T00:00:01Z", "2020-06-01T00:00:00Z", YES),
    ("DateGreaterThan", ISSUED, "2020-01-01T00:00:01Z", "2019-12-31T23:59:59Z", NO),
    ("DateGreaterThan", ISSUED, "2020-01-01T00:00:01Z", None, NO),
    ("DateGreaterThanEquals", TIME, "2020-06", "2020-06-01T00:00:00Z", YES),
    ("DateGreaterThanEquals", TIME, "2020-06", "2020-05-31T23:59:59Z", NO),
    ("DateGreaterThanEquals", "aws:EpochTime", "2020-01-01T00:00:00Z", "1577836800", YES),
    ("DateGreaterThan", TIME, "2020-*", "2020-06-01T00:00:00Z", NO),
    # Boolean
    ("Bool", TLS, "false", "false", YES),
    ("Bool", TLS, "false", "true", NO),
    ("Bool", TLS, "false", None, NO),
    ("Bool", TLS, False, "false", YES),
    ("Bool", TLS, "True", "true", YES),
    ("BoolIfExists", "aws:MultiFactorAuthPresent", "false", None, YES),
    ("BoolIfExists", "aws:MultiFactorAuthPresent", "false", "true", NO),
    # Binary
    ("BinaryEquals", "a:key", "QmluYXJ5VmFsdWVJbkJhc2U2NA==", "QmluYXJ5VmFsdWVJbkJhc2U2NA==", YES),
    ("BinaryEquals", "a:key", "QmluYXJ5VmFsdWVJbkJhc2U2NA==", "ASIAIOSFODNN7EXAMPLE", NO),
    ("BinaryEquals", "a:key", "QmluYXJ5VmFsdWVJbkJhc2U2NA==", None, NO),
    # IP address
    ("IpAddress", IP, "203.0.113.0/24", "203.0.113.1", YES),
    ("IpAddress", IP, "203.0.113.0/24", "198.51.100.1", NO),
    ("IpAddress", IP, "203.0.113.0/24", None, NO),
    ("IpAddress", IP, "203.0.113.7", "203.0.113.7", YES),
    ("IpAddress", IP, "203.0.113.7", "203.0.113.8", NO),
    ("IpAddress", IP, ["203.0.113.0/24", "2001:DB8:1234:5678::/64"], "2001:db8:1234:5678::9", YES),
    ("IpAddress", IP, ["203.0.113.0/24", "2001:DB8:1234:5678::/64"], "2001:db8:1234:5679::9", NO),
    ("IpAddress", IP, "2001:DB8:1234:5678::1", "2001:db8:1234:5678:0:0:0:1", YES),
    ("IpAddress", IP, "203.0.*", "203.0.113.1", NO),
    ("NotIpAddress", IP, "203.0.113.0/24", "198.51.100.1", YES),
    ("NotIpAddress", IP, "203.0.113.0/24", "203.0.113.1", NO),
    ("NotIpAddress", IP, "203.0.113.0/24", None, YES),
    ("NotIpAddress", IP, "203.0.113.0/24", "2001:db8::1", YES),
    ("IpAddressIfExists", IP, "203.0.113.0/24", None, YES),
    # ARN
    ("ArnEquals", "aws:SourceArn", TOPIC, TOPIC, YES),
    ("ArnEquals", "aws:SourceArn", TOPIC, TOPIC.replace("123456789012", "777788889999"), NO),
    ("ArnEquals", "aws:SourceArn", TOPIC, None, NO),
    ("ArnEquals", "aws:SourceArn", "arn:aws:sns:*:123456789012:TOPIC-*", TOPIC, YES),
    ("ArnEquals", "aws:SourceArn", TOPIC.lower(), TOPIC, NO),
    ("ArnLike", "aws:SourceArn", "arn:aws:sns:us-west-?:123456789012:*", TOPIC, YES),
    ("ArnLike", "aws:SourceArn", FINANCE, LONG_ARN, NO),
    ("StringLike", "aws:SourceArn", FINANCE, LONG_ARN, YES),
    ("ArnLike", "aws:SourceArn", "arn:aws:sns:*", TOPIC, NO),
    ("ArnNotEquals", "aws:SourceArn", TOPIC, TOPIC, NO),
    ("ArnNotEquals", "aws:SourceArn", TOPIC, None, YES),
    ("ArnNotLike", "aws:SourceArn", "arn:aws:sns:*:*:*", TOPIC, NO),
    ("ArnNotLike", "aws:SourceArn", "arn:aws:sqs:*:*:*", TOPIC, YES),
    ("ArnLikeIfExists", "aws:SourceArn", TOPIC, None, YES),
    # Null
    ("Null", ISSUED, "true", None, YES),
    ("Null", ISSUED, "true", "2020-06-01T00:00:00Z", NO),
    ("Null", ISSUED, "false", "2020-06-01T00:00:00Z", YES),
    ("Null", ISSUED, "false", None, NO),
    ("Null", "aws:RequestTag/team", "false", "", NO),
    ("Null", "aws:RequestTag/team", "true", "", YES),
]

_TAGS_AND_ARNS = {
    "StringEquals": {
        "aws:PrincipalTag/department": ["finance", "hr", "legal"],
        "aws:PrincipalTag/role": ["audit", "security"],
    },
    "ArnLike": {
        "aws:PrincipalArn": [
            "arn:aws:iam::222222222222:user/Ana",
            "arn:aws:iam::222222222222:user/Mary",
        ]
    },
}
_TAGS_AND_NOT_ARNS = {
    "StringEquals": _TAGS_AND_ARNS["StringEquals"],
    "ArnNotLike": _TAGS_AND_ARNS["ArnLike"],
}


def _who(department: str | None, role: str | None, user: str) -> dict[str, str]:
    context = {"aws:PrincipalArn": f"arn:aws:iam::222222222222:user/{user}"}
    if department:
        context["aws:PrincipalTag/department"] = department
    if role:
        context["aws:PrincipalTag/role"] = role
    return context


_SEVERAL: list[Case] = [
    row(MULTIPLE_CONDITIONS, _TAGS_AND_ARNS, _who("legal", "audit", "Mary"), YES),
    row(MULTIPLE_CONDITIONS, _TAGS_AND_ARNS, _who("hr", "audit", "Nikki"), NO),
    row(MULTIPLE_CONDITIONS, _TAGS_AND_ARNS, _who("hr", "payroll", "Mary"), NO),
    row(MULTIPLE_CONDITIONS, _TAGS_AND_ARNS, _who("hr", None, "Mary"), NO),
    row(MULTIPLE_CONDITIONS, _TAGS_AND_ARNS, _who(None, None, "Mary"), NO),
    row(MULTIPLE_CONDITIONS, _TAGS_AND_NOT_ARNS, _who("legal", "audit", "Nikki"), YES),
    row(MULTIPLE_CONDITIONS, _TAGS_AND_NOT_ARNS, _who("hr", "audit", "Mary"), NO),
    row(MULTIPLE_CONDITIONS, _TAGS_AND_NOT_ARNS, _who("hr", "payroll", "Nikki"), NO),
    row(MULTIPLE_CONDITIONS, _TAGS_AND_NOT_ARNS, _who("hr", None, "Nikki"), NO),
    row(MULTIPLE_CONDITIONS, _TAGS_AND_NOT_ARNS, _who(None, None, "Nikki"), NO),
    row(
        ECR_ENDPOINTS,
        {"StringEquals": {"aws:SourceVpce": "vpce-1", "aws:SourceVpc": "vpc-1"}},
        {"aws:SourceVpce": "vpce-1", "aws:SourceVpc": "vpc-1"},
        YES,
    ),
    row(
        ECR_ENDPOINTS,
        {"StringEquals": {"aws:SourceVpce": "vpce-1", "aws:SourceVpc": "vpc-1"}},
        {"aws:SourceVpce": "vpce-1", "aws:SourceVpc": "vpc-2"},
        NO,
    ),
]

CASES: list[Case] = [
    row(OPERATORS, {operator: {key: values}}, {} if given is None else {key: given}, holds)
    for operator, key, values, given, holds in _ONE_KEY
] + _SEVERAL

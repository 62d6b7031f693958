"""The text of AccessDenied (IAM User Guide, troubleshoot_access-denied)."""

from __future__ import annotations

import pytest

from ecr_emulator.policy.context import RequestContext
from ecr_emulator.policy.evaluation import evaluate, explain
from ecr_emulator.policy.policy_sets import PolicySet
from ecr_emulator.policy.requesters import ANONYMOUS
from ecr_emulator.policy.statements import AccessRequest

from .cases import ALICE, REPOSITORY, SESSION, Case, allow, deny, grant, refuse
from .test_evaluation_cases import policies_of, request_of

OTHERS = allow("s3:GetObject")
EVERYONE = grant("*", "*", Resource="*")


def tail_of(case: Case) -> str:
    return evaluate(request_of(case), policies_of(case)).tail(case.action)


@pytest.mark.parametrize(
    ("case", "tail"),
    [
        (
            Case("", "", ""),
            " because no identity-based policy allows the ecr:BatchGetImage action",
        ),
        (Case("", "", "", identity=deny()), " with an explicit deny in an identity-based policy"),
        (
            Case("", "", "", identity=allow(), boundary=OTHERS),
            " because no permissions boundary allows the ecr:BatchGetImage action",
        ),
        (Case("", "", "", boundary=deny()), " with an explicit deny in a permissions boundary"),
        (
            Case("", "", "", principal=SESSION, identity=allow(), session=OTHERS),
            " because no session policy allows the ecr:BatchGetImage action",
        ),
        (Case("", "", "", session=deny()), " with an explicit deny in a session policy"),
        (
            Case("", "", "", identity=allow(), resource_account="444455556666"),
            " because no resource-based policy allows the ecr:BatchGetImage action",
        ),
        (
            Case("", "", "", identity=allow(), repository=refuse("*")),
            " with an explicit deny in a resource-based policy",
        ),
        (
            Case("", "", "", identity=allow(), registry=refuse("*")),
            " with an explicit deny in a resource-based policy",
        ),
        (
            Case("", "", "", identity=allow(), endpoint=grant("*", "s3:*", Resource="*")),
            " because no VPC endpoint policy allows the ecr:BatchGetImage action",
        ),
        (
            Case("", "", "", identity=allow(), endpoint=EVERYONE + refuse("*")),
            " with an explicit deny in a VPC endpoint policy",
        ),
        (
            Case("", "", "", action="sts:AssumeRole", trust=grant({"AWS": SESSION}, "sts:*")),
            " because no role trust policy allows the sts:AssumeRole action",
        ),
        (
            Case("", "", "", action="sts:AssumeRole", trust=refuse("*", "sts:*")),
            " with an explicit deny in the role trust policy",
        ),
        (Case("", "", "", identity=allow()), ""),
    ],
)
def test_tail(case: Case, tail: str) -> None:
    assert tail_of(case) == tail


def test_whole_message() -> None:
    case = Case("", "", "")
    request = request_of(case)
    assert evaluate(request, PolicySet()).message(request) == (
        f"User: {ALICE} is not authorized to perform: ecr:BatchGetImage on resource: {REPOSITORY}"
        " because no identity-based policy allows the ecr:BatchGetImage action"
    )


def test_an_anonymous_caller_has_a_name() -> None:
    request = AccessRequest(ANONYMOUS, "ecr:BatchGetImage", REPOSITORY, RequestContext())
    assert evaluate(request, PolicySet()).message(request).startswith("User: anonymous is not")


def test_the_reason_names_the_statement() -> None:
    case = Case(
        "", "", "", identity=[*allow(), {**deny()[0], "Sid": "NoPull"}], repository=grant("*")
    )
    decision = evaluate(request_of(case), policies_of(case))
    assert decision.reason == (
        "statement 2 (NoPull) of the identity-based policy identity denies it explicitly"
    )


def test_the_explanation_says_what_is_unmet() -> None:
    case = Case(
        "",
        "",
        "",
        identity=[
            *allow("ecr:PutImage"),
            *allow(resource="arn:aws:ecr:*:*:repository/b"),
            *allow(Condition={"StringEquals": {"aws:SourceVpce": "vpce-1"}}),
            {"Effect": "Allow", "NotAction": "ecr:*", "NotResource": "*"},
            {"Effect": "Allow", "Action": "ecr:*", "NotResource": "*"},
            *allow(),
        ],
        repository=[
            *grant({"AWS": SESSION}),
            {"Effect": "Deny", "NotPrincipal": {"AWS": "*"}, "Action": "*"},
        ],
    )
    findings = explain(request_of(case), policies_of(case))
    assert [(finding.source.policy, finding.unmet) for finding in findings] == [
        ("repository", "Principal"),
        ("repository", "NotPrincipal"),
        ("identity", "Action"),
        ("identity", "Resource"),
        ("identity", "Condition StringEquals aws:SourceVpce"),
        ("identity", "NotAction"),
        ("identity", "NotResource"),
        ("identity", ""),
    ]

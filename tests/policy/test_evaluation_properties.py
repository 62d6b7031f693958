"""What must hold of every decision, whatever the policies."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ecr_emulator.policy.context import RequestContext
from ecr_emulator.policy.documents import Condition, PolicyDocument, Principals, Statement
from ecr_emulator.policy.evaluation import Decision, evaluate, explain
from ecr_emulator.policy.policy_sets import NamedPolicy, PolicyKind, PolicySet
from ecr_emulator.policy.requesters import requester_from_arn
from ecr_emulator.policy.statements import AccessRequest

HERE, THERE = "111122223333", "444455556666"
RESOURCE = f"arn:aws:ecr:us-east-1:{HERE}:repository/app"
ARNS = [
    f"arn:aws:iam::{account}:{name}" for account in (HERE, THERE) for name in ("root", "user/u")
] + [
    f"arn:aws:sts::{account}:{name}"
    for account in (HERE, THERE)
    for name in ("assumed-role/r/s", "federated-user/f")
]
CALLERS = [*ARNS, "*", "lambda.amazonaws.com"]

conditions = st.lists(
    st.builds(
        Condition,
        operator=st.sampled_from(["StringEquals", "StringNotLike", "Null", "ArnLike", "Bool"]),
        key=st.sampled_from(["aws:a", "aws:b"]),
        values=st.lists(st.sampled_from(["x", "y", "true", "*"]), max_size=2).map(tuple),
        if_exists=st.booleans(),
        quantifier=st.sampled_from(["", "ForAnyValue", "ForAllValues"]),
    ),
    max_size=2,
).map(tuple)
principals = st.builds(
    Principals,
    everyone=st.booleans(),
    aws=st.lists(
        st.sampled_from([*ARNS, HERE, THERE, f"arn:aws:iam::{HERE}:role/r"]), max_size=3
    ).map(tuple),
    service=st.sampled_from([(), ("lambda.amazonaws.com",)]),
)
actions = st.sampled_from([("ecr:PutImage",), ("ecr:*",), ("*",), ("s3:*",)])
resources = st.sampled_from([("*",), (RESOURCE,), ("arn:aws:ecr:*:*:repository/b*",)])


@st.composite
def statements(draw: st.DrawFn, *, named: bool, effect: str | None = None) -> Statement:
    statement = Statement(
        index=0,
        effect=effect or draw(st.sampled_from(["Allow", "Deny"])),
        conditions=draw(conditions),
    )
    if draw(st.booleans()):
        statement = replace(statement, actions=draw(actions))
    else:
        statement = replace(statement, not_actions=draw(actions))
    if draw(st.booleans()):
        statement = replace(statement, resources=draw(resources))
    else:
        statement = replace(statement, not_resources=draw(resources))
    if named and draw(st.booleans()):
        return replace(statement, principals=draw(principals))
    if named:
        return replace(statement, not_principals=draw(principals))
    return statement


@st.composite
def documents(draw: st.DrawFn, *, named: bool) -> NamedPolicy:
    drawn = draw(st.lists(statements(named=named), min_size=1, max_size=3))
    return NamedPolicy(
        "p",
        PolicyDocument(
            statements=tuple(replace(s, index=i) for i, s in enumerate(drawn)),
            version="2012-10-17",
        ),
    )


plain, naming = documents(named=False), documents(named=True)
policy_sets = st.builds(
    PolicySet,
    identity=st.lists(plain, max_size=2).map(tuple),
    permissions_boundary=st.none() | plain,
    session=st.lists(plain, max_size=1).map(tuple),
    repository=st.none() | naming,
    registry=st.none() | naming,
    vpc_endpoint=st.none() | naming,
)
requests = st.builds(
    lambda arn, values: AccessRequest(
        requester=requester_from_arn(arn),
        action="ecr:PutImage",
        resource=RESOURCE,
        context=RequestContext(values),
    ),
    st.sampled_from(CALLERS),
    st.dictionaries(
        st.sampled_from(["aws:a", "aws:b"]),
        st.sampled_from(["x", "y", "true", ""]) | st.lists(st.sampled_from(["x", "y"]), max_size=2),
    ),
)


def added(policies: PolicySet, kind: PolicyKind, statement: Statement) -> PolicySet | None:
    """Append *statement* to a policy of *kind*; None when the set has no such policy."""

    def longer(policy: NamedPolicy) -> NamedPolicy:
        old = policy.document.statements
        new = (*old, replace(statement, index=len(old)))
        return NamedPolicy(policy.name, replace(policy.document, statements=new))

    found = policies.of_kind(kind)
    if not found:
        return None
    if kind is PolicyKind.IDENTITY:
        return replace(policies, identity=(longer(found[0]), *found[1:]))
    if kind is PolicyKind.SESSION:
        return replace(policies, session=(longer(found[0]), *found[1:]))
    member = {
        PolicyKind.PERMISSIONS_BOUNDARY: "permissions_boundary",
        PolicyKind.REPOSITORY: "repository",
        PolicyKind.REGISTRY: "registry",
        PolicyKind.VPC_ENDPOINT: "vpc_endpoint",
    }[kind]
    changes: dict[str, Any] = {member: longer(found[0])}
    return replace(policies, **changes)


KINDS = [kind for kind in PolicyKind if kind is not PolicyKind.TRUST]


@settings(deadline=None)
@given(requests, policy_sets)
def test_an_explicit_deny_that_applies_always_wins(
    request: AccessRequest, policies: PolicySet
) -> None:
    denies = [f for f in explain(request, policies) if f.effect == "Deny" and not f.unmet]
    decision = evaluate(request, policies)
    assert decision.explicit is bool(denies)
    if denies:
        assert not decision.allowed
        assert decision.source in {finding.source for finding in denies}


@settings(deadline=None)
@given(requests, policy_sets)
def test_access_rests_on_an_allow_that_applies(request: AccessRequest, policies: PolicySet) -> None:
    decision = evaluate(request, policies)
    if decision.allowed and decision.source is not None:
        allows = {
            f.source for f in explain(request, policies) if f.effect == "Allow" and not f.unmet
        }
        assert decision.source in allows
    elif decision.allowed:
        assert request.requester.arn.endswith(":root")


@settings(deadline=None)
@given(requests, policy_sets, st.sampled_from(KINDS), st.data())
def test_one_more_allow_never_takes_access_away(
    request: AccessRequest, policies: PolicySet, kind: PolicyKind, data: st.DataObject
) -> None:
    statement = data.draw(statements(named=kind.is_resource_policy, effect="Allow"))
    more = added(policies, kind, statement)
    assume(more is not None)
    if more is not None and evaluate(request, policies).allowed:
        assert evaluate(request, more).allowed


@settings(deadline=None)
@given(requests, policy_sets, st.sampled_from(KINDS), st.data())
def test_one_more_deny_never_gives_access(
    request: AccessRequest, policies: PolicySet, kind: PolicyKind, data: st.DataObject
) -> None:
    statement = data.draw(statements(named=kind.is_resource_policy, effect="Deny"))
    more = added(policies, kind, statement)
    assume(more is not None)
    if more is not None and not evaluate(request, policies).allowed:
        assert not evaluate(request, more).allowed


def shuffled(policies: PolicySet, seed: int) -> PolicySet:
    order = random.Random(seed)

    def mixed(policy: NamedPolicy) -> NamedPolicy:
        statements = list(policy.document.statements)
        order.shuffle(statements)
        return NamedPolicy(policy.name, replace(policy.document, statements=tuple(statements)))

    def maybe(policy: NamedPolicy | None) -> NamedPolicy | None:
        return None if policy is None else mixed(policy)

    return PolicySet(
        identity=tuple(mixed(policy) for policy in reversed(policies.identity)),
        permissions_boundary=maybe(policies.permissions_boundary),
        session=tuple(mixed(policy) for policy in policies.session),
        repository=maybe(policies.repository),
        registry=maybe(policies.registry),
        vpc_endpoint=maybe(policies.vpc_endpoint),
    )


@settings(deadline=None)
@given(requests, policy_sets, st.integers())
def test_the_order_of_statements_is_irrelevant(
    request: AccessRequest, policies: PolicySet, seed: int
) -> None:
    def outcome(decision: Decision) -> tuple[bool, bool, PolicyKind | None]:
        kind = decision.kind if not decision.allowed else None
        return decision.allowed, decision.explicit, kind

    assert outcome(evaluate(request, policies)) == outcome(
        evaluate(request, shuffled(policies, seed))
    )


@settings(deadline=None)
@given(requests, policy_sets)
def test_limits_only_take_away(request: AccessRequest, policies: PolicySet) -> None:
    bare = replace(policies, vpc_endpoint=None)
    assert evaluate(request, bare).allowed or not evaluate(request, policies).allowed


@settings(deadline=None)
@given(requests, policy_sets)
def test_every_denial_has_a_message(request: AccessRequest, policies: PolicySet) -> None:
    decision = evaluate(request, policies)
    if not decision.allowed:
        message = decision.message(request)
        assert message.startswith("User: ")
        assert " with an explicit deny in a" in message or " because no " in message

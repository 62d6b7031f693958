"""The tables of access decisions."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from ecr_emulator.policy.context import RequestContext
from ecr_emulator.policy.documents import parse_policy
from ecr_emulator.policy.evaluation import evaluate, explain
from ecr_emulator.policy.policy_sets import NamedPolicy, PolicyKind, PolicySet
from ecr_emulator.policy.requesters import requester_from_arn
from ecr_emulator.policy.statements import AccessRequest

from .cases import (
    Case,
    Policy,
    conditions,
    cross_account,
    ecr_endpoints,
    ecr_identities,
    ecr_policies,
    elements,
    not_principals,
    principals,
    sets,
    single_account,
    trust,
    variables,
    worked_examples,
)

TABLES = (
    conditions,
    cross_account,
    ecr_endpoints,
    ecr_identities,
    ecr_policies,
    elements,
    not_principals,
    principals,
    sets,
    single_account,
    trust,
    variables,
    worked_examples,
)
CASES = [case for table in TABLES for case in table.CASES]


def named(name: str, policy: Policy | None) -> NamedPolicy | None:
    if policy is None:
        return None
    if not isinstance(policy, Mapping):
        policy = {"Version": "2012-10-17", "Statement": list(policy)}
    return NamedPolicy(name, parse_policy(json.dumps(policy)))


def listed(name: str, policy: Policy | None) -> tuple[NamedPolicy, ...]:
    found = named(name, policy)
    return () if found is None else (found,)


def policies_of(case: Case) -> PolicySet:
    return PolicySet(
        identity=listed("identity", case.identity),
        permissions_boundary=named("boundary", case.boundary),
        session=listed("session", case.session),
        repository=named("repository", case.repository),
        registry=named("registry", case.registry),
        trust=named("trust", case.trust),
        vpc_endpoint=named("endpoint", case.endpoint),
    )


def request_of(case: Case) -> AccessRequest:
    return AccessRequest(
        requester=requester_from_arn(case.principal, identity_arn=case.identity_arn),
        action=case.action,
        resource=case.resource,
        context=RequestContext(case.context),
        resource_account=case.resource_account,
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.title} [{case.page}]")
def test_decision(case: Case) -> None:
    request, policies = request_of(case), policies_of(case)
    decision = evaluate(request, policies)
    expected = {
        "allow": (True, False),
        "explicit deny": (False, True),
        "implicit deny": (False, False),
    }
    assert (decision.allowed, decision.explicit) == expected[case.expected], decision.reason
    assert decision.kind == (PolicyKind[case.by] if case.by else None), decision.reason
    assert decision.reason
    if case.sid is not None:
        assert decision.source is not None
        assert decision.source.sid == case.sid
    # The explanation of the single statements agrees with the decision.
    applying = {finding.source for finding in explain(request, policies) if not finding.unmet}
    assert (decision.source is None) == (case.expected == "implicit deny" or not case.by)
    assert decision.source is None or decision.source in applying


def test_the_tables_hold_what_was_promised() -> None:
    assert len(CASES) >= 300
    assert all(case.page.endswith(".html") for case in CASES)
    titles = [(case.page, case.title, case.principal) for case in CASES]
    repeated = {title for title in titles if titles.count(title) > 1}
    assert not repeated

"""Naming principals, where the tables of decisions have no case."""

from __future__ import annotations

from dataclasses import replace

from ecr_emulator.policy.context import RequestContext
from ecr_emulator.policy.documents import Principals, Statement
from ecr_emulator.policy.evaluation import evaluate
from ecr_emulator.policy.policy_sets import PolicyKind, PolicySet
from ecr_emulator.policy.requesters import (
    ANONYMOUS,
    Naming,
    excepted,
    namings,
    requester_from_arn,
)
from ecr_emulator.policy.statements import AccessRequest, match_statement

from .cases import PULL, REPOSITORY, SESSION, allow
from .test_evaluation_cases import listed

SERVICE = requester_from_arn("lambda.amazonaws.com")


def test_a_requester_can_be_named_in_several_ways_at_once() -> None:
    session = requester_from_arn(SESSION)
    everyone_and_account = Principals(everyone=True, aws=("*", "111122223333"))
    assert namings(everyone_and_account, session) == {Naming.EVERYONE, Naming.ACCOUNT}
    both = Principals(aws=(SESSION, session.identity_arn))
    assert namings(both, session) == {Naming.SESSION, Naming.IDENTITY}


def test_web_identity_sessions_are_named_by_their_provider() -> None:
    provider = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
    session = replace(requester_from_arn(SESSION), provider=provider)
    assert namings(Principals(federated=(provider,)), session) == {Naming.SESSION}
    assert not namings(Principals(federated=("accounts.google.com",)), session)
    assert not namings(Principals(federated=("",)), requester_from_arn(SESSION))


def test_whom_a_deny_with_not_principal_leaves_out() -> None:
    lambda_only = Principals(service=("lambda.amazonaws.com",))
    assert excepted(lambda_only, SERVICE, has_permissions_boundary=False)
    assert not excepted(Principals(), SERVICE, has_permissions_boundary=False)
    assert not excepted(lambda_only, ANONYMOUS, has_permissions_boundary=False)
    assert excepted(Principals(everyone=True), ANONYMOUS, has_permissions_boundary=False)
    root = requester_from_arn("arn:aws:iam::111122223333:root")
    assert excepted(Principals(aws=("111122223333",)), root, has_permissions_boundary=False)


def test_a_root_user_who_federated_has_what_the_session_policies_allow() -> None:
    federated = requester_from_arn(
        "arn:aws:sts::111122223333:federated-user/bob",
        identity_arn="arn:aws:iam::111122223333:root",
    )
    request = AccessRequest(federated, PULL, REPOSITORY, RequestContext())
    assert evaluate(request, PolicySet(session=listed("s", allow()))).allowed
    denied = evaluate(request, PolicySet(session=listed("s", allow("s3:*"))))
    assert denied.kind is PolicyKind.SESSION


def test_an_identity_statement_without_resources_applies_to_nothing() -> None:
    statement = Statement(index=0, effect="Allow", actions=("*",))
    request = AccessRequest(requester_from_arn(SESSION), PULL, REPOSITORY, RequestContext())
    match = match_statement(statement, request, version="2012-10-17", is_resource_policy=False)
    assert match.unmet == "Resource"

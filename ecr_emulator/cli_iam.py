"""``ecr-emulator iam …`` and ``ecr-emulator explain``: users, roles, and why access is as it is.

They work on the database itself, beside a running server or without one: what they change
counts from the next request on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ecr_emulator.cli_support import Failure, setting_options, settings_of, upgrade_database

if TYPE_CHECKING:
    from ecr_emulator.arns import RegistryKey
    from ecr_emulator.auth.access import Access
    from ecr_emulator.auth.identities import Identities, Identity
    from ecr_emulator.auth.principals import Principal

_WHERE = ("data_dir", "database_url")


@click.group()
def iam() -> None:
    """Users, roles, their policies and access keys."""


@iam.command("apply")
@click.argument("file", type=click.Path(path_type=Path))
@setting_options(*_WHERE)
def apply_identities(file: Path, config_file: str | None, **flags: object) -> None:
    """Create or change the users and roles of an identities FILE (TOML or JSON)."""
    from ecr_emulator.auth.identities_file import InvalidIdentities, read_identities

    try:
        document = read_identities(file)
    except InvalidIdentities as error:
        raise Failure(str(error)) from None
    with _opened(config_file, flags) as (identities, _):
        identities.put_all(document.identities, document.organizations)
        for spec in document.identities:
            found = identities.find(spec.account, spec.kind, spec.name)
            if found is not None:
                click.echo(found.arn)


@iam.command("list")
@setting_options(*_WHERE)
def list_identities(config_file: str | None, **flags: object) -> None:
    """List users and roles with the names of their policies."""
    with _opened(config_file, flags) as (identities, _):
        for identity in identities.all():
            policies = ", ".join(identities.policies(identity)) or "no policies"
            click.echo(f"{identity.arn}  {policies}")


@iam.command("delete")
@click.argument("arn")
@setting_options(*_WHERE)
def delete_identity(arn: str, config_file: str | None, **flags: object) -> None:
    """Delete the user or role ARN with its policies and keys."""
    with _opened(config_file, flags) as (identities, _):
        identity = _existing(identities, arn)
        identities.delete(identity.account, identity.kind, identity.name)


@iam.command("create-access-key")
@click.argument("arn")
@setting_options(*_WHERE)
def create_access_key(arn: str, config_file: str | None, **flags: object) -> None:
    """Give the user ARN a new access key, and print it as a shell takes it."""
    with _opened(config_file, flags) as (identities, _):
        identity = _existing(identities, arn)
        if identity.kind != "user":
            raise Failure(f"{arn} is a role: only users have access keys")
        key_id, secret = identities.create_access_key(identity)
    click.echo(f"export AWS_ACCESS_KEY_ID={key_id}\nexport AWS_SECRET_ACCESS_KEY={secret}")


@click.command()
@click.option("--principal", required=True, metavar="ARN", help="Who asks (root, user, session).")
@click.option("--action", required=True, metavar="ACTION", help="Such as ecr:PutImage.")
@click.option(
    "--resource",
    required=True,
    metavar="ARN",
    help="Such as a repository's ARN; * for the registry of the principal's account.",
)
@click.option("--source-ip", default="", metavar="ADDRESS", help="Where the request comes from.")
@click.option(
    "--context",
    "given",
    multiple=True,
    metavar="KEY=VALUE",
    help="A condition key; may be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
@setting_options(*_WHERE)
def explain(
    principal: str,
    action: str,
    resource: str,
    source_ip: str,
    given: tuple[str, ...],
    as_json: bool,
    config_file: str | None,
    **flags: object,
) -> None:
    """Say whether a principal may do something, which statement decided, and why.

    Exits with 0 when access is allowed, with 1 when it is denied. An action of another service
    that an operation needs (iam:PassRole, kms:CreateGrant, signer:SignPayload) is decided by the
    policies of the principal's own account. What else the operation of an action's name needs,
    and when, is told too.
    """
    from ecr_emulator.policy.actions import OPERATIONS
    from ecr_emulator.policy.context import Origin

    service, _, operation = action.partition(":")
    keys = dict(item.partition("=")[::2] for item in given)
    origin = Origin(source_ip=source_ip)
    with _opened(config_file, flags) as (identities, access):
        who = _principal(identities, principal)
        if service in OPERATIONS:
            key, repository = _target(service, resource, who.account, config_file, flags)
            decision, findings = access.explain(
                who, action, key, repository, origin=origin, keys=keys
            )
        else:
            decision, findings = access.explain_resource(
                who, action, resource, origin=origin, keys=keys
            )
    also = [
        {"action": item.action, "when": item.when.value}
        for item in OPERATIONS.get(service, {}).get(operation, ())
        if item.action != action
    ]
    statements = [
        {
            "policy": finding.source.policy,
            "kind": finding.source.kind.words,
            "statement": finding.source.index,
            "sid": finding.source.sid,
            "effect": finding.effect,
            "applies": not finding.unmet,
            "unmet": finding.unmet,
        }
        for finding in findings
    ]
    if as_json:
        answer = {
            "allowed": decision.allowed,
            "reason": decision.reason,
            "statements": statements,
            "also": also,
        }
        click.echo(json.dumps(answer, indent=2))
    else:
        click.echo(f"{'allowed' if decision.allowed else 'denied'}: {decision.reason}")
        for statement in statements:
            name = statement["sid"] or f"statement {statement['statement']}"
            how = "applies" if statement["applies"] else f"does not apply: {statement['unmet']}"
            click.echo(f"  {statement['kind']} {statement['policy']!r}, {name}: {how}")
        for item in also:
            when = "" if item["when"] == "always" else f" when {item['when']}"
            click.echo(f"  {operation} also needs {item['action']}{when}")
    if not decision.allowed:
        raise SystemExit(1)


def _target(
    service: str, resource: str, account: str, config_file: str | None, flags: dict[str, object]
) -> tuple[RegistryKey, str | None]:
    """Return the registry, and the repository in it, that an action is to be checked on.

    ``*`` is the registry of *account*, in the region of the settings.
    """
    from ecr_emulator.arns import RegistryKey, parse_repository_arn, public_registry

    if resource == "*":
        if service == "ecr-public":
            return public_registry(account), None
        return RegistryKey(account, settings_of(config_file, flags).default_region), None
    parsed = parse_repository_arn(resource)
    if parsed is None:
        raise Failure(f"{resource} is not the ARN of a repository")
    return parsed


@contextmanager
def _opened(
    config_file: str | None, flags: dict[str, object]
) -> Iterator[tuple[Identities, Access]]:
    """Open the database of the settings for the length of the block."""
    from ecr_emulator.auth.access import Access
    from ecr_emulator.auth.identities import Identities
    from ecr_emulator.auth.origins import Origins
    from ecr_emulator.db.engine import Database
    from ecr_emulator.movable_clock import MovableClock

    settings = settings_of(config_file, flags)
    upgrade_database(settings)
    clock = MovableClock(settings.data_dir)
    database = Database(settings.database_url, durability=settings.durability)
    try:
        identities = Identities(database, clock)
        yield identities, Access(database, identities, Origins(), clock)
    finally:
        database.close()


def _existing(identities: Identities, arn: str) -> Identity:
    found = next((identity for identity in identities.all() if identity.arn == arn), None)
    if found is None:
        raise Failure(f"there is no user or role {arn}")
    return found


def _principal(identities: Identities, arn: str) -> Principal:
    """Return the principal that *arn* names: a root user, a user, or a session of a role."""
    from ecr_emulator.auth.identities import ROLE
    from ecr_emulator.auth.principals import Principal, Session
    from ecr_emulator.policy.requesters import requester_from_arn

    try:
        requester = requester_from_arn(arn)
    except ValueError as error:
        raise Failure(
            f"{error} (a role acts through a session: arn:aws:sts::…:assumed-role/…)"
        ) from None
    if not requester.identity_arn:
        user = next((item for item in identities.all() if item.arn == arn), None)
        return user.principal if user else Principal(requester.account, arn, requester.account)
    role = identities.find(requester.account, ROLE, requester.identity_arn.rsplit("/", 1)[-1])
    if role is None:
        raise Failure(f"there is no role {requester.identity_arn}")
    session = Session(identity_arn=role.arn, tags=tuple(role.tags.items()))
    user_id = f"{role.unique_id}:{arn.rsplit('/', 1)[-1]}"
    return Principal(requester.account, arn, user_id, session)

"""What is asked of moto's state: access keys, users and roles, secrets, the default event bus.

Answers are plain values that JSON can carry. None of this is in the services' own APIs: IAM
tells no secret access key, and ``PutEvents`` gives an event another id.
"""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

from moto.events.models import events_backends
from moto.iam.models import AWSManagedPolicy, IAMBackend, iam_backends
from moto.moto_api._internal.models import moto_api_backend
from moto.secretsmanager.models import secretsmanager_backends
from moto.sns.models import sns_backends

logger = logging.getLogger(__name__)

_DEFAULT_BUS = "default"


def access_key(key_id: str) -> dict[str, str] | None:
    """Return the secret of a user's active access key, and the user; ``None`` if it is none."""
    for account, partitions in list(iam_backends.items()):
        for backend in list(partitions.values()):
            for user in list(backend.users.values()):
                for key in user.access_keys:
                    if key.access_key_id == key_id and key.status == "Active":
                        return {
                            "secret": key.secret_access_key,
                            "account": account,
                            "arn": user.arn,
                            "id": user.id,
                        }
    return None


def identity(account: str, kind: str, name: str) -> dict[str, Any] | None:
    """Return a user (with the policies of its groups) or a role; ``None`` if there is none."""
    if account not in iam_backends.keys():  # noqa: SIM118 - moto's own would make it
        return None
    for backend in list(iam_backends[account].values()):
        holders = backend.users if kind == "user" else backend.roles
        # Roles are kept by their ids.
        holder = next((one for one in list(holders.values()) if one.name == name), None)
        if holder is None:
            continue
        policies = dict(_policies(holder))
        if kind == "user":
            for group in backend.get_groups_for_user(name):
                for policy, text in _policies(group):
                    policies[f"{group.name}/{policy}"] = text
        boundary_arn = getattr(holder, "permissions_boundary_arn", None)
        return {
            "path": holder.path,
            "id": holder.id,
            "arn": holder.arn,
            "created_at": _seconds(holder.create_date),
            "tags": {tag["Key"]: tag["Value"] for tag in holder.tags or ()},
            "policies": policies,
            "boundary": _managed_text(backend, boundary_arn) if boundary_arn else None,
            "trust": getattr(holder, "assume_role_policy_document", None),
        }
    return None


def secret(account: str, region: str, arn: str) -> dict[str, Any] | None:
    """Return the current value of a secret, as ``text``; ``None`` if there is no such secret.

    ``deleted`` is there for one that is scheduled for deletion.
    """
    if account not in secretsmanager_backends.keys():  # noqa: SIM118 - moto's own would make it
        return None
    backends = secretsmanager_backends[account]
    if region not in backends.keys():  # noqa: SIM118
        return None
    found = backends[region].secrets.get(arn)
    if found is None or found.arn != arn:
        return None
    if found.is_deleted():
        return {"deleted": True}
    version = found.versions.get(found.default_version_id or "") or {}
    text = version.get("secret_string")
    return {"text": text if isinstance(text, str) else None}


def has_rules() -> bool:
    """Say whether any default bus has a rule."""
    return any(True for _ in _rules())


def put_event(event: Mapping[str, Any]) -> None:
    """Give an event to the rules of its account's and region's default bus that are enabled.

    As on AWS the event comes as it is, unless the target has an input transformer. What moto
    cannot send to, or is not there any more, fails alone.
    """
    for account, region, rule in list(_rules()):
        if (account, region) != (event["account"], event["region"]) or rule.state != "ENABLED":
            continue
        for target in list(rule.targets):
            try:
                _send(rule, target, event)
            except Exception as error:  # noqa: BLE001 - what fails depends on the target
                # EventBridge, too, tells nobody but its metrics.
                reason = f"{type(error).__name__} ({target.get('Arn')})"
                logger.warning("events: rule %s failed in moto: %s", rule.name, reason)


def _send(rule: Any, target: Mapping[str, Any], event: Mapping[str, Any]) -> None:
    """Send an event to one target of a rule, if the rule's pattern matches it."""
    is_transformed = "InputTransformer" in target
    service = target["Arn"].split(":")[2]
    if service == "sns" and not is_transformed:
        # moto's EventBridge sends nothing to topics.
        if rule.event_pattern.matches_event(event):
            account, region = event["account"], event["region"]
            sns_backends[account][region].publish(json.dumps(event), arn=target["Arn"])
        return
    to_one = copy.copy(rule)
    to_one.targets = [target]
    # moto writes the time for its targets itself, of a number alone.
    time = datetime.fromisoformat(event["time"].replace("Z", "+00:00")).timestamp()
    message = {**copy.deepcopy(dict(event)), "time": time}
    if is_transformed:
        message["ingestion-time"] = time
    to_one.send_to_targets(message, transform_input=is_transformed)


def reset() -> None:
    """Empty every service."""
    # moto makes each account's again, which takes a third of a second for IAM's policies.
    iam_backends.clear()
    moto_api_backend.reset()


def _rules() -> Iterator[tuple[str, str, Any]]:
    for account, backends in list(events_backends.items()):
        for region, backend in list(backends.items()):
            bus = backend.event_buses.get(_DEFAULT_BUS)
            for rule in list(bus.rules.values()) if bus is not None else ():
                yield account, region, rule


def _policies(holder: Any) -> Iterator[tuple[str, str]]:
    """Yield the name and text of each policy of a user, group or role."""
    for name, text in list(holder.policies.items()):
        yield name, _text(text)
    for policy in list(holder.managed_policies.values()):
        yield policy.arn, _default_text(policy)


def _managed_text(backend: IAMBackend, arn: str) -> str:
    policy = backend.managed_policies.get(arn)
    # A boundary that is not there is no policy, and so lets nothing through.
    return "" if policy is None else _default_text(policy)


def _default_text(policy: Any) -> str:
    for version in policy.versions:
        if version.version_id == policy.default_version_id:
            text = _text(version.document)
            # AWS's own have blanks here, and the longest of them are too long with these.
            if isinstance(policy, AWSManagedPolicy):
                return json.dumps(json.loads(text), separators=(",", ":"))
            return text
    return ""


def _text(document: Any) -> str:
    return document if isinstance(document, str) else json.dumps(document)


def _seconds(moment: datetime) -> float:
    # moto's moments are UTC without saying so.
    return moment.replace(tzinfo=timezone.utc).timestamp()

"""The secrets of moto's Secrets Manager that pull-through cache rules name."""

from __future__ import annotations

from ecr_emulator.upstreams.secrets import SecretValue

from .companion import Companion


class CompanionSecrets:
    """moto's Secrets Manager (:class:`~ecr_emulator.upstreams.secrets.SecretsManager`)."""

    def __init__(self, companion: Companion) -> None:
        self._companion = companion

    def value(self, arn: str) -> SecretValue | None:
        """Return what the secret *arn* holds, or ``None`` if there is no such secret."""
        region, account = arn.split(":")[3:5]
        arguments = {"account": account, "region": region, "arn": arn}
        found = self._companion.ask("secret", arguments)
        if found is None:
            return None
        return SecretValue(found.get("text"), is_deleted=bool(found.get("deleted")))

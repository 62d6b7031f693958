"""Signing configurations of registries (Put-, Get-, DeleteSigningConfiguration)."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete

from ecr_emulator.arns import RegistryKey
from ecr_emulator.db.engine import Database
from ecr_emulator.db.signing_tables import signing_configurations
from ecr_emulator.db.upsert import put_row
from ecr_emulator.registry.errors import ValidationFailure
from ecr_emulator.registry.signing_errors import SigningConfigurationNotFound
from ecr_emulator.registry.signing_rules import SigningRule, signing_rules


class SigningConfigurations:
    """The signing configuration of every registry."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, key: RegistryKey, rules: Sequence[SigningRule]) -> None:
        """Give a registry these rules in place of those it has.

        :raises ValidationFailure: a profile is of another region (user guide: "Cross-region
            signing is not supported").
        """
        for rule in rules:
            region = rule.profile_arn.split(":")[3]
            if region != key.region:
                # The text is the live service's; which exception carries it is the likeliest.
                raise ValidationFailure(
                    f"The region of signing profile ARN {rule.profile_arn} is '{region}' but "
                    f"must be '{key.region}' (the current region)"
                )
        with self._database.write() as connection:
            put_row(
                connection,
                signing_configurations,
                account=key.account,
                region=key.region,
                rules=[rule.to_json() for rule in rules],
            )

    def get(self, key: RegistryKey) -> tuple[SigningRule, ...]:
        """Return a registry's rules.

        :raises SigningConfigurationNotFound: it has no signing configuration.
        """
        rules = signing_rules(self._database.reader(), key)
        if rules is None:
            raise SigningConfigurationNotFound(key.account)
        return rules

    def delete(self, key: RegistryKey) -> tuple[SigningRule, ...]:
        """Remove a registry's signing configuration and return its rules.

        Signatures stay, and what is being signed is signed to the end.

        :raises SigningConfigurationNotFound: it has none.
        """
        with self._database.write() as connection:
            rules = signing_rules(connection, key)
            if rules is None:
                raise SigningConfigurationNotFound(key.account)
            connection.execute(
                delete(signing_configurations).where(
                    signing_configurations.c.account == key.account,
                    signing_configurations.c.region == key.region,
                )
            )
        return rules

"""Scanning configurations of registries and what they make of each repository."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select

from ecr_emulator.arns import RegistryKey
from ecr_emulator.db.engine import Database
from ecr_emulator.db.hot_queries import HotQuery
from ecr_emulator.db.scanning_tables import registry_scanning_configurations
from ecr_emulator.db.upsert import put_row
from ecr_emulator.jobs.queue import JobQueue
from ecr_emulator.registry.errors import RepositoryNotFound
from ecr_emulator.registry.repository import Repository, find_repository
from ecr_emulator.registry.scanning_rules import (
    ENHANCED,
    ScanningConfiguration,
    check_configuration,
)

#: The kind of job that begins enhanced scanning of the images that are there already.
ENROL_IMAGES = "enrol-images-for-scanning"

_CONFIGURATION = HotQuery(
    select(
        registry_scanning_configurations.c.scan_type, registry_scanning_configurations.c.rules
    ).where(
        registry_scanning_configurations.c.account == bindparam("account"),
        registry_scanning_configurations.c.region == bindparam("region"),
    )
)


@dataclass(frozen=True, slots=True)
class RepositoryScanning:
    """How a repository's images are scanned.

    :ivar filters: the registry's filters that the frequency comes from.
    """

    repository: Repository
    frequency: str
    filters: tuple[str, ...]


#: Told of a registry's configuration before and after a change, in its transaction.
ConfigurationHook = Callable[
    [Connection, RegistryKey, ScanningConfiguration, ScanningConfiguration], None
]


class ScanningConfigurations:
    """The scanning configurations of every registry.

    :param on_change: told of each change.
    """

    def __init__(self, database: Database, jobs: JobQueue, on_change: ConfigurationHook) -> None:
        self._database = database
        self._jobs = jobs
        self._on_change = on_change

    def get(self, key: RegistryKey) -> ScanningConfiguration:
        """Return a registry's configuration; one that was never configured has the default."""
        return scanning_configuration(self._database.reader(), key)

    def put(self, key: RegistryKey, configuration: ScanningConfiguration) -> None:
        """Give a registry *configuration* in place of the one it has.

        Enhanced scanning takes in images that were pushed not long ago; that is queued.

        :raises ValidationFailure, InvalidParameter: see
            :func:`.scanning_rules.check_configuration`.
        """
        check_configuration(configuration)
        with self._database.write() as connection:
            before = scanning_configuration(connection, key)
            self._on_change(connection, key, before, configuration)
            put_row(
                connection,
                registry_scanning_configurations,
                account=key.account,
                region=key.region,
                scan_type=configuration.scan_type,
                rules=[rule.to_json() for rule in configuration.rules],
            )
            if configuration.scan_type == ENHANCED and configuration.rules:
                self._jobs.add(
                    connection, ENROL_IMAGES, {"account": key.account, "region": key.region}
                )

    def of_repositories(
        self, key: RegistryKey, names: Sequence[str]
    ) -> tuple[list[RepositoryScanning], list[str]]:
        """Return how the repositories *names* are scanned, and which do not exist."""
        found: list[RepositoryScanning] = []
        missing: list[str] = []
        with self._database.read() as connection:
            configuration = scanning_configuration(connection, key)
            for name in dict.fromkeys(names):
                try:
                    repository = find_repository(connection, key, name)
                except RepositoryNotFound:
                    missing.append(name)
                    continue
                found.append(
                    RepositoryScanning(
                        repository,
                        *configuration.frequency_of(name, scan_on_push=repository.scan_on_push),
                    )
                )
        return found, missing


def scanning_configuration(connection: Connection, key: RegistryKey) -> ScanningConfiguration:
    """Return the configuration of the registry *key* as the transaction of *connection* sees it."""
    parameters = {"account": key.account, "region": key.region}
    row = _CONFIGURATION.first(connection, parameters)
    return ScanningConfiguration.from_columns(*(row or (None, None)))

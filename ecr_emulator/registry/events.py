"""What happens in the registries, as the events that ECR emits: the hooks of each change.

Every function writes its events in the transaction of the change. Nothing is emitted for public
registries, of which no events are documented but the records of API calls.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from ecr_emulator.arns import RegistryKey
from ecr_emulator.db.schema import repositories
from ecr_emulator.registry.event_bodies import (
    IMAGE_ACTION,
    IMAGE_SCAN,
    INSPECTOR_SCAN,
    PULL_THROUGH_CACHE_ACTION,
    REFERRER_ACTION,
    REPLICATION_ACTION,
    SCAN_RESOURCE_CHANGE,
    SERVICE_EVENT,
    Event,
    iso_time,
    without_none,
)
from ecr_emulator.registry.event_log import EventLog
from ecr_emulator.registry.images import ARCHIVED, Image, tags_of_images
from ecr_emulator.registry.lifecycle_events import PolicyExecution, policy_executions
from ecr_emulator.registry.pushes import Push
from ecr_emulator.registry.replication_outcomes import Outcome
from ecr_emulator.registry.replication_queue import Route
from ecr_emulator.registry.repository import Repository
from ecr_emulator.registry.scan_results import ScanResult
from ecr_emulator.registry.scanning_configurations import scanning_configuration
from ecr_emulator.registry.scanning_rules import ENHANCED, ScanningConfiguration

#: Repositories in one event; EventBridge takes no event of more than 256 KB (its quotas).
_REPOSITORIES_PER_EVENT = 100


class RegistryEvents:
    """Writes down the events of what happens to images, repositories and registries."""

    def __init__(self, log: EventLog) -> None:
        self._log = log

    def image_pushed(self, connection: Connection, push: Push) -> None:
        """Tell of a push."""
        self._image_action(connection, push.repository, push.image, "PUSH", push.tag)

    def image_deleted(
        self, connection: Connection, repository: Repository, image: Image, tags: Sequence[str]
    ) -> None:
        """Tell of each of *tags* that went, with the image or without; of the image if it had none.

        That there is one event for each tag is what the tag in the sample event says.
        """
        for tag in tags or (None,):
            self._image_action(connection, repository, image, "DELETE", tag)

    def _image_action(
        self,
        connection: Connection,
        repository: Repository,
        image: Image,
        action: str,
        tag: str | None,
    ) -> None:
        if repository.key.is_public:
            return
        detail = {
            "result": "SUCCESS",
            "repository-name": repository.name,
            "image-digest": image.digest,
            "action-type": action,
            "image-tag": tag,
        }
        detail_type = IMAGE_ACTION
        if image.subject_digest is not None:
            detail_type = REFERRER_ACTION
            detail.update(_media_types(image))
        self._log.record(connection, Event(repository.key, detail_type, without_none(detail)))

    def storage_class_changed(
        self, connection: Connection, repository: Repository, image: Image
    ) -> None:
        """Tell that an image is in the archive now, or back from there.

        :param image: as it is since.
        """
        if repository.key.is_public:
            return
        is_archived = image.status == ARCHIVED
        restored_at = None if is_archived else image.last_activated_at
        detail = {
            "result": "SUCCESS",
            "repository-name": repository.name,
            "image-digest": image.digest,
            "action-type": "UPDATE_STORAGE_CLASS",
            "target-storage-class": "ARCHIVE" if is_archived else "STANDARD",
            **_media_types(image),
            "last-activated-at": None if restored_at is None else iso_time(restored_at),
        }
        detail_type = IMAGE_ACTION if image.subject_digest is None else REFERRER_ACTION
        self._log.record(connection, Event(repository.key, detail_type, without_none(detail)))

    def scan_ended(
        self,
        connection: Connection,
        repository: Repository,
        image: Image,
        scan_type: str,
        result: ScanResult,
        is_first: bool,
    ) -> None:
        """Tell of a basic scan that was completed, or failed.

        Of enhanced scans it is Amazon Inspector that tells, and only of the first of an image
        (user guide, "EventBridge events sent for enhanced scanning in Amazon ECR"). Its events of
        each single finding are not emitted here.
        """
        if repository.key.is_public:
            return
        if scan_type == ENHANCED:
            if is_first:
                self._initial_scan(connection, repository, image, result)
            return
        detail = {
            "scan-status": "COMPLETE" if result.status == "COMPLETE" else "FAILED",
            "repository-name": repository.name,
            "finding-severity-counts": result.severity_counts,
            "image-digest": image.digest,
            "image-tags": tags_of_images(connection, [image.id]).get(image.id, []),
        }
        self._log.record(connection, Event(repository.key, IMAGE_SCAN, detail, (repository.arn,)))

    def _initial_scan(
        self, connection: Connection, repository: Repository, image: Image, result: ScanResult
    ) -> None:
        if scanning_configuration(connection, repository.key).scan_type != ENHANCED:
            # What a test wants to be found, should the registry ever scan so.
            return
        counts = result.severity_counts
        # The levels that the sample tells apart.
        levels = {name: counts.get(name, 0) for name in ("CRITICAL", "HIGH", "MEDIUM")}
        detail = {
            "scan-status": "INITIAL_SCAN_COMPLETE",
            "repository-name": repository.arn,
            "finding-severity-counts": {**levels, "TOTAL": sum(counts.values())},
            "image-digest": image.digest,
            "image-tags": tags_of_images(connection, [image.id]).get(image.id, []),
        }
        event = Event(
            repository.key, INSPECTOR_SCAN, detail, (repository.arn,), source="aws.inspector2"
        )
        self._log.record(connection, event)

    def scanning_changed(
        self,
        connection: Connection,
        key: RegistryKey,
        before: ScanningConfiguration,
        after: ScanningConfiguration,
    ) -> None:
        """Tell which repositories enhanced scanning scans at another frequency than before."""
        if after.scan_type != ENHANCED:
            return
        query = (
            select(repositories.c.name, repositories.c.scan_on_push)
            .where(repositories.c.account == key.account, repositories.c.region == key.region)
            .order_by(repositories.c.name)
        )
        changed = []
        for name, on_push in connection.execute(query):
            frequency, _ = after.frequency_of(name, scan_on_push=on_push)
            previous, _ = before.frequency_of(name, scan_on_push=on_push)
            if frequency != previous or before.scan_type != after.scan_type:
                changed.append(
                    {
                        "repository-name": name,
                        "repository-arn": key.repository_arn(name),
                        "scan-frequency": frequency,
                        "previous-scan-frequency": previous,
                    }
                )
        for start in range(0, len(changed), _REPOSITORIES_PER_EVENT):
            part = changed[start : start + _REPOSITORIES_PER_EVENT]
            detail = {
                "action-type": "SCAN_FREQUENCY_CHANGE",
                "repositories": part,
                "resource-type": "REPOSITORY",
                "scan-type": ENHANCED,
            }
            arns = [item["repository-arn"] for item in part]
            self._log.record(connection, Event(key, SCAN_RESOURCE_CHANGE, detail, arns))

    def replicated(
        self,
        connection: Connection,
        route: Route,
        digest: str,
        tag: str | None,
        outcome: Outcome,
    ) -> None:
        """Tell the destination how the replication of an image to it ended."""
        detail = {
            "result": "SUCCESS" if outcome.failure_code is None else "FAILED",
            "repository-name": route.repository_name,
            "image-digest": digest,
            "source-account": route.source.account,
            "action-type": "REPLICATE",
            "source-region": route.source.region,
            "image-tag": tag,
        }
        arn = route.destination.repository_arn(route.repository_name)
        event = Event(route.destination, REPLICATION_ACTION, without_none(detail), (arn,))
        self._log.record(connection, event)

    def pulled_through(
        self,
        connection: Connection,
        key: RegistryKey,
        repository_name: str,
        *,
        prefix: str,
        upstream_url: str,
        tag: str | None,
        digest: str | None,
        failure: tuple[str, str] | None = None,
    ) -> None:
        """Tell that an image was fetched from an upstream registry, or could not be.

        :param prefix: of the rule that covers the repository.
        :param upstream_url: of the registry, as the rule has it.
        :param failure: the code and the reason, if it failed.
        """
        code, reason = failure or (None, None)
        detail = {
            "rule-version": "1",
            "sync-status": "SUCCESS" if failure is None else "FAILURE",
            "ecr-repository-prefix": prefix,
            "repository-name": repository_name,
            "upstream-registry-url": upstream_url,
            "image-tag": tag,
            "image-digest": digest,
            "failure-code": code,
            "failure-reason": reason,
        }
        arn = key.repository_arn(repository_name)
        event = Event(key, PULL_THROUGH_CACHE_ACTION, without_none(detail), (arn,))
        self._log.record(connection, event)

    def policy_executed(
        self, connection: Connection, repository: Repository, execution: PolicyExecution
    ) -> None:
        """Tell what a lifecycle policy did to images of a repository."""
        for detail in policy_executions(repository, execution):
            self._log.record(connection, Event(repository.key, SERVICE_EVENT, detail))


def _media_types(image: Image) -> dict[str, str | None]:
    return {
        "manifest-media-type": image.media_type,
        "artifact-media-type": image.artifact_media_type,
    }

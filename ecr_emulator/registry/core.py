"""The registry: everything that both doors call, in one object."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta

from sqlalchemy import delete, select

from ecr_emulator.arns import RegistryKey
from ecr_emulator.clock import Clock
from ecr_emulator.db.all_tables import metadata
from ecr_emulator.db.engine import Database
from ecr_emulator.db.jobs_table import jobs
from ecr_emulator.db.locks import keep_others_from_writing
from ecr_emulator.db.schema import installation, repositories
from ecr_emulator.jobs.queue import JobQueue
from ecr_emulator.jobs.worker import JobFunction
from ecr_emulator.quotas import ServiceQuotas
from ecr_emulator.registry.account_settings import AccountSettings
from ecr_emulator.registry.api_calls import ApiCalls
from ecr_emulator.registry.backfill_work import BackfillWork
from ecr_emulator.registry.backfills import Backfills
from ecr_emulator.registry.bills import BillsOfMaterials
from ecr_emulator.registry.creation_template_store import CreationTemplates
from ecr_emulator.registry.event_delivery import EventBus, EventDelivery, EventTarget
from ecr_emulator.registry.event_log import EventLog
from ecr_emulator.registry.event_queue import DeliveryQueue
from ecr_emulator.registry.events import RegistryEvents
from ecr_emulator.registry.garbage import COLLECT, EVERY, Garbage
from ecr_emulator.registry.image_deletes import ImageDeletes
from ecr_emulator.registry.image_examination import ImageExaminer
from ecr_emulator.registry.image_imports import ImageImports
from ecr_emulator.registry.image_listings import ImageListings
from ecr_emulator.registry.image_push import ImagePush
from ecr_emulator.registry.image_reads import ImageReads
from ecr_emulator.registry.image_scans import ImageScans
from ecr_emulator.registry.layers import Layers
from ecr_emulator.registry.lifecycle import Lifecycle
from ecr_emulator.registry.lifecycle_policies import LifecyclePolicies
from ecr_emulator.registry.lifecycle_previews import LifecyclePreviews
from ecr_emulator.registry.public_registries import PublicRegistries
from ecr_emulator.registry.public_repositories import PublicRepositories
from ecr_emulator.registry.pull_exclusions import PullExclusions
from ecr_emulator.registry.pull_through import PullThrough
from ecr_emulator.registry.pull_through_layers import PullThroughLayers
from ecr_emulator.registry.pull_through_referrers import PullThroughReferrers
from ecr_emulator.registry.pull_through_rules import PullThroughRules
from ecr_emulator.registry.pull_through_validation import PullThroughValidation
from ecr_emulator.registry.referrer_queue import ReferrerQueue
from ecr_emulator.registry.registry_policies import RegistryPolicies
from ecr_emulator.registry.replication_arrivals import ImageArrivals
from ecr_emulator.registry.replication_configurations import ReplicationConfigurations
from ecr_emulator.registry.replication_copy import Destination
from ecr_emulator.registry.replication_log import ReplicationLog
from ecr_emulator.registry.replication_peers import PeerDestination
from ecr_emulator.registry.replication_queue import ReplicationQueue
from ecr_emulator.registry.replication_work import ReplicationWork
from ecr_emulator.registry.repositories import Repositories
from ecr_emulator.registry.repository_blobs import RepositoryBlobs
from ecr_emulator.registry.repository_catalog import RepositoryCatalog
from ecr_emulator.registry.repository_policies import RepositoryPolicies
from ecr_emulator.registry.resource_tags import ResourceTags
from ecr_emulator.registry.scan_pins import ScanPins
from ecr_emulator.registry.scan_queue import ScanQueue
from ecr_emulator.registry.scan_work import ScanWork
from ecr_emulator.registry.scanning_configurations import ScanningConfigurations
from ecr_emulator.registry.signature_checks import SignatureChecks
from ecr_emulator.registry.signing_configurations import SigningConfigurations
from ecr_emulator.registry.signing_log import SigningLog
from ecr_emulator.registry.signing_work import SigningWork
from ecr_emulator.registry.statistics import Numbers, numbers
from ecr_emulator.registry.storage_classes import StorageClasses
from ecr_emulator.registry.tag_details import TagDetails
from ecr_emulator.registry.uploads import Uploads
from ecr_emulator.registry.upstream_sources import Roles, UpstreamSources
from ecr_emulator.registry.vulnerability_database import VulnerabilityDatabase
from ecr_emulator.signatures.trust import Trust
from ecr_emulator.upstreams.client import UpstreamClient
from ecr_emulator.upstreams.http import UpstreamRegistries
from ecr_emulator.upstreams.peers import Peers
from ecr_emulator.upstreams.pools import ConnectionPools
from ecr_emulator.upstreams.secrets import Secrets


class Registry:
    """All registries: the private one of each account and region, and each account's public one.

    :param known_actions: the names of ECR's actions, which policies may name.
    :param public_actions: those of ECR Public's.
    :param upstreams: the registries that images are cached from.
    :param quotas: how much each registry may hold.
    :param secrets: the credentials for them.
    :param max_manifest: the largest manifest that is cached, in bytes.
    :param event_targets: who is told of events.
    :param event_bus: who is told of them too, while it has rules.
    :param api_call_events: whether API calls are events too.
    :param trust: the keys and certificates by which signatures verify.
    :param garbage_grace: how long uploads and layers that no image names are kept.
    """

    def __init__(
        self,
        database: Database,
        blobs: RepositoryBlobs,
        clock: Clock,
        known_actions: Collection[str],
        public_actions: Collection[str],
        upstreams: UpstreamRegistries,
        quotas: ServiceQuotas,
        secrets: Secrets,
        roles: Roles,
        peers: Peers,
        max_manifest: int,
        garbage_grace: timedelta,
        event_targets: Sequence[EventTarget] = (),
        event_bus: EventBus | None = None,
        api_call_events: bool = False,
        trust: Trust | None = None,
    ) -> None:
        self.jobs = JobQueue(database, clock)
        self._database = database
        self._blobs = blobs
        self._clock = clock
        buses = [] if event_bus is None else [event_bus]
        deliveries = DeliveryQueue(
            [target.name for target in event_targets],
            {bus.name: bus.has_rules for bus in buses},
        )
        self.event_log = EventLog(database, clock, deliveries)
        self.events = events = RegistryEvents(self.event_log)
        self.api_calls = ApiCalls(self.event_log, clock, enabled=api_call_events)
        self._event_delivery = EventDelivery(database, clock, [*event_targets, *buses])
        self.account_settings = AccountSettings(database)
        self.repositories = Repositories(database, quotas, clock)
        self.resource_tags = ResourceTags(database)
        self.policies = RepositoryPolicies(database, known_actions, public_actions)
        self.layers = Layers(database, blobs, self.account_settings, quotas, clock)
        self.uploads = Uploads(database, blobs, quotas, clock)
        self.garbage = Garbage(database, blobs, clock, garbage_grace)
        scan_queue = ScanQueue(self.jobs, clock)
        self.images = ImageReads(database, clock)
        # What happens to images sets other things going, in the same transaction.
        replication_queue = ReplicationQueue(self.jobs)
        self.signing_log = SigningLog(database, clock)
        restored = (replication_queue.image_pushed, scan_queue.image_pushed)
        restorations = (events.storage_class_changed,)
        self.pushes = ImagePush(
            database,
            quotas,
            clock,
            (*restored, events.image_pushed, self.signing_log.image_pushed),
            restorations,
        )
        self.deletes = ImageDeletes(
            database,
            (replication_queue.images_deleted, ReferrerQueue(clock).images_deleted),
            (events.image_deleted,),
        )
        self.storage_classes = StorageClasses(database, clock, restored, restorations)
        self.registry_policies = RegistryPolicies(database, self.account_settings, known_actions)
        self.creation_templates = CreationTemplates(database, known_actions, quotas, clock)
        client = UpstreamClient(upstreams, max_manifest)
        self.pull_through_rules = PullThroughRules(database, secrets, quotas, clock)
        sources = UpstreamSources(
            database, self.images, self.layers, upstreams, client, secrets, roles, peers
        )
        self.pull_through_validation = PullThroughValidation(self.pull_through_rules, sources)
        imports = ImageImports(
            database, blobs.folder, self.pushes, sources, quotas, clock, events.pulled_through
        )
        self.cached_images = PullThrough(database, self.images, imports, sources, clock)
        self.cached_layers = PullThroughLayers(
            database, blobs, self.layers, imports, sources, clock
        )
        self.cached_referrers = PullThroughReferrers(
            database, blobs.folder, self.images, imports, self.cached_layers, sources, clock
        )
        self.replication = ReplicationConfigurations(database)
        self.replication_log = ReplicationLog(database, events.replicated)
        self.backfills = Backfills(database, self.jobs, clock)
        self.arrivals = ImageArrivals(database, blobs, scan_queue, quotas, clock, events.replicated)
        pools = ConnectionPools()

        def destination_of(key: RegistryKey) -> Destination:
            url = peers.address(key)
            if url is None:
                return self.arrivals
            return PeerDestination(database, blobs.folder, self.layers, peers, pools, url)

        copying = (database, self.jobs, destination_of, self.replication_log, clock)
        self._replication_work = ReplicationWork(*copying)
        self._backfill_work = BackfillWork(*copying)
        self.scanning = ScanningConfigurations(database, self.jobs, events.scanning_changed)
        self.scans = ImageScans(database, scan_queue, clock)
        self.scan_pins = ScanPins(database, clock, events.scan_ended)
        self.vulnerabilities = VulnerabilityDatabase(database, self.jobs, clock)
        examiner = ImageExaminer(database, blobs, self.vulnerabilities, clock)
        self.bills = BillsOfMaterials(database, examiner, clock)
        self._scan_work = ScanWork(database, scan_queue, examiner, clock, events.scan_ended)
        self.lifecycle_policies = LifecyclePolicies(database, clock)
        self.lifecycle_previews = LifecyclePreviews(database, clock)
        self.lifecycle = Lifecycle(
            database, self.deletes, self.storage_classes, clock, events.policy_executed
        )
        self.signing = SigningConfigurations(database)
        self._signing_work = SigningWork(
            database, self.signing_log, self.uploads, self.pushes, clock
        )
        self.signatures = SignatureChecks(database, self.layers, clock, trust or Trust())
        self.pull_exclusions = PullExclusions(database, clock)

        self.public_registries = PublicRegistries(database)
        self.public_repositories = PublicRepositories(self.repositories)
        self.catalog = RepositoryCatalog(database)
        self.image_listings = ImageListings(database)
        self.tag_details = TagDetails(database)

    def job_functions(self) -> dict[str, JobFunction]:
        """Return what does each kind of job that the registry queues."""
        return {
            **self._event_delivery.job_functions(),
            **self._replication_work.job_functions(),
            **self._backfill_work.job_functions(),
            **self._scan_work.job_functions(),
            **self.storage_classes.job_functions(),
            **self.lifecycle_previews.job_functions(),
            **self.lifecycle.job_functions(),
            **self._signing_work.job_functions(),
            **self.garbage.job_functions(),
        }

    def last_words(self) -> dict[str, JobFunction]:
        """Return what ends, for those who wait for it, the work of a job that is given up."""
        return {
            **self._event_delivery.last_words(),
            **self._replication_work.last_words(),
            **self._backfill_work.last_words(),
            **self._scan_work.last_words(),
        }

    def slow_jobs(self) -> tuple[str, ...]:
        """Return the kinds of jobs that may wait for another emulator."""
        return (*self._replication_work.job_functions(), *self._backfill_work.job_functions())

    def recurring_jobs(self) -> dict[str, timedelta]:
        """Return the kinds of jobs that a server does again and again, and how often."""
        return {COLLECT: EVERY}

    def numbers(self) -> Numbers:
        """Count what there is.

        :raises StorageFailure: the database does not answer.
        """
        return numbers(self._database, self._clock)

    def ask_database(self) -> None:
        """See that the database answers.

        :raises StorageFailure: it does not.
        """
        with self._database.read() as connection:
            connection.execute(select(installation.c.name).limit(1))

    def reset(self) -> None:
        """Empty every registry; the installation's secret and the vulnerability database stay."""
        with self._database.write() as connection:
            # Repositories first, and no new ones meanwhile: everyone locks a repository before
            # what belongs to it (PostgreSQL; in SQLite a writer is alone).
            keep_others_from_writing(connection, repositories)
            connection.execute(delete(repositories))
            for table in reversed(metadata.sorted_tables):
                if table is jobs:
                    recurring = jobs.c.kind.in_(self.recurring_jobs())
                    connection.execute(delete(jobs).where(~recurring))
                elif table is not installation and not table.info.get("outlives_reset"):
                    connection.execute(delete(table))
        self._blobs.folder.clear()

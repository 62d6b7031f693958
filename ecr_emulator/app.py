"""The application: both doors and the control endpoints over one registry."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

from flask import Flask, Response

from ecr_emulator import home_processor
from ecr_emulator.admin.bills import bills_blueprint
from ecr_emulator.admin.clock import ClockControl, clock_blueprint
from ecr_emulator.admin.events import events_blueprint
from ecr_emulator.admin.identities import identities_blueprint
from ecr_emulator.admin.lifecycle import lifecycle_blueprint
from ecr_emulator.admin.metrics import metrics_blueprint
from ecr_emulator.admin.routes import admin_blueprint
from ecr_emulator.admin.scan_findings import scan_findings_blueprint
from ecr_emulator.admin.signatures import signatures_blueprint
from ecr_emulator.admin.strangers import ADMIN_TOKEN
from ecr_emulator.auth.access import Access
from ecr_emulator.auth.credentials import (
    ChainedCredentials,
    CredentialSource,
    KnownCredentials,
    PermissiveCredentials,
    TemporaryCredentials,
)
from ecr_emulator.auth.directory import Directory, IdentitySource
from ecr_emulator.auth.identities import Identities
from ecr_emulator.auth.identities_file import NO_IDENTITIES, read_identities
from ecr_emulator.auth.origins import Origins
from ecr_emulator.auth.page_tokens import PageTokens
from ecr_emulator.auth.service_linked_roles import ServiceLinkedRoles
from ecr_emulator.auth.service_roles import ServiceRoles
from ecr_emulator.auth.sigv4 import SignatureVerifier
from ecr_emulator.auth.tokens import RegistryTokens
from ecr_emulator.auth.urls import DownloadUrls
from ecr_emulator.aws.door import AwsDoor
from ecr_emulator.aws.ecr import operations as ecr_operations
from ecr_emulator.aws.ecr.scanning import check_findings
from ecr_emulator.aws.ecr_public import operations as ecr_public_operations
from ecr_emulator.aws.ecr_public.logos import logo_blueprint
from ecr_emulator.aws.operation_calls import ApiServices
from ecr_emulator.aws.sts import StsServices
from ecr_emulator.clock import Clock
from ecr_emulator.companions.companion import Companion, CompanionHere
from ecr_emulator.companions.door import CompanionDoor
from ecr_emulator.companions.event_bus import CompanionBus
from ecr_emulator.companions.iam import CompanionIam
from ecr_emulator.companions.link import Address, CompanionElsewhere
from ecr_emulator.companions.moto_host import are_wanted
from ecr_emulator.companions.secrets_manager import CompanionSecrets
from ecr_emulator.config import Settings
from ecr_emulator.db.engine import Database
from ecr_emulator.db.migrate import installation_secret
from ecr_emulator.delivery.targets import open_targets
from ecr_emulator.endpoints import RegistryAddresses
from ecr_emulator.jobs.worker import JobWorker
from ecr_emulator.metrics import Metrics, operation_of
from ecr_emulator.movable_clock import MovableClock
from ecr_emulator.oci.authentication import Authenticator
from ecr_emulator.oci.context import DoorServices
from ecr_emulator.oci.door import OciDoor
from ecr_emulator.oci.public import PublicDoor
from ecr_emulator.policy.actions import action_names
from ecr_emulator.quotas import ServiceQuotas
from ecr_emulator.registry.core import Registry
from ecr_emulator.registry.repository_blobs import open_blobs
from ecr_emulator.signatures.trust import read_trust
from ecr_emulator.upstreams.http import UpstreamRegistries
from ecr_emulator.upstreams.peers import Peers
from ecr_emulator.upstreams.secrets import Secrets, read_secrets

#: Methods of the OCI door's requests that are short, unless a large blob is sent.
_SHORT = ("GET", "HEAD")


class Application:
    """The whole emulator as one WSGI application."""

    def __init__(
        self,
        oci: OciDoor,
        aws: AwsDoor,
        flask: Flask,
        database: Database,
        jobs: JobWorker,
        origins: Origins,
        companions: CompanionDoor | None,
        metrics: Metrics,
    ) -> None:
        self._metrics = metrics
        self._origins = origins
        self._companions = companions
        self._oci = oci
        self._aws = aws
        self._flask = flask
        self._database = database
        self.jobs = jobs

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer a request by the door that its path names."""
        if not self._origins.admits(str(environ.get("REMOTE_ADDR") or "")):
            # A security group would leave the caller without any answer.
            start_response("403 Forbidden", [("Content-Length", "0"), ("Connection", "close")])
            return [b""]
        began, told = perf_counter(), "000"

        def listen(status: str, *rest: Any) -> Any:
            nonlocal told
            told = status[:3]
            return start_response(status, *rest)

        companions = self._companions
        if companions is not None and (service := companions.service_of(environ)) is not None:
            door, body = "companions", companions.answer(service, environ, listen)
        elif self._oci.handles(environ.get("PATH_INFO", "")):
            if environ["REQUEST_METHOD"] in _SHORT:
                home_processor.stay()
            else:
                home_processor.roam()
            door, body = "oci", self._oci(environ, listen)
        elif self._aws.handles(environ):
            home_processor.stay()
            door, body = "aws", self._aws(environ, listen)
        else:
            door, body = "control", self._flask(environ, listen)
        self._metrics.request(door, operation_of(environ), told, perf_counter() - began)
        return body

    def close(self) -> None:
        """Stop the work in the background and close the connections to the database."""
        self.jobs.stop()
        self._database.close()


def create_app(
    settings: Settings,
    clock: Clock | None = None,
    companions_at: Address | None = None,
    counts: Path | None = None,
) -> Application:
    """Build the application; the database's schema must be up to date.

    :param clock: where the time comes from; the installation's clock unless a test gives another.
    :param companions_at: the server's companion process; without one the companions, if they
        are wanted, are in this process.
    :param counts: the folder in which the server's workers count together (see :mod:`.metrics`).
    """
    movable = MovableClock(settings.data_dir) if clock is None else None
    clock = movable or clock or Clock()
    companion: Companion | None = None
    if are_wanted(settings.companions):
        companion = CompanionElsewhere(companions_at) if companions_at else CompanionHere()
    manager = None if companion is None else CompanionSecrets(companion)
    database = Database(settings.database_url, durability=settings.durability)
    secret = installation_secret(database)
    identities = Identities(database, clock)
    document = read_identities(Path(settings.identities)) if settings.identities else NO_IDENTITIES
    identities.put_all(document.identities, document.organizations)
    origins = Origins(document.vpc_endpoints)
    other_iam = None if companion is None else CompanionIam(companion)
    directory: IdentitySource = Directory(identities, other_iam) if other_iam else identities
    access = Access(database, directory, origins, clock)
    blobs = open_blobs(
        settings.data_dir,
        database,
        clock,
        durability=settings.durability,
        sealed_by_default=settings.encryption == "on",
        master_key=settings.master_key,
    )
    registry = Registry(
        database,
        blobs,
        clock,
        known_actions=action_names("ecr", ecr_operations.service.operations),
        public_actions=action_names("ecr-public", ecr_public_operations.service.operations),
        upstreams=UpstreamRegistries(settings.upstreams),
        quotas=ServiceQuotas(settings.quotas),
        secrets=(
            read_secrets(Path(settings.secrets), manager)
            if settings.secrets
            else Secrets(manager=manager)
        ),
        roles=ServiceRoles(access, directory, clock),
        peers=Peers(settings.replication_endpoints, settings.peer_keys),
        max_manifest=settings.max_manifest,
        event_targets=open_targets(settings.event_targets, durability=settings.durability),
        event_bus=None if companion is None else CompanionBus(companion),
        api_call_events=settings.api_call_events,
        garbage_grace=timedelta(hours=settings.garbage_grace),
        trust=read_trust(Path(settings.trusted_keys)) if settings.trusted_keys else None,
    )
    tokens, urls = RegistryTokens(secret, clock), DownloadUrls(secret, clock)
    page_tokens = PageTokens(secret)
    temporary = TemporaryCredentials(secret, clock)
    permissive = settings.auth == "permissive"
    sources: list[CredentialSource] = [temporary, identities, KnownCredentials()]
    credentials: CredentialSource = ChainedCredentials(*sources, *filter(None, [other_iam]))
    lenient = PermissiveCredentials(credentials)
    if permissive:
        credentials = lenient

    addresses = RegistryAddresses(settings.registry_host, settings.public_registry_host)
    door_services = DoorServices(
        registry=registry,
        authenticator=Authenticator(
            tokens,
            access,
            origins,
            permissive=permissive,
            default_region=settings.default_region,
        ),
        urls=urls,
        page_tokens=page_tokens,
        strict_ecr=settings.strict_ecr,
        max_manifest=settings.max_manifest,
    )
    public = PublicDoor(door_services, tokens, addresses, permissive=permissive)
    oci = OciDoor(door_services, public)
    services = ApiServices(
        registry, access, tokens, urls, page_tokens, addresses, ServiceLinkedRoles(identities)
    )
    sts_services = StsServices(temporary, access, directory, clock, registry.api_calls)
    # Clients sign by the machine's time, however far the emulator's is from it.
    verifier = SignatureVerifier(credentials, clock if movable is None else Clock())
    aws = AwsDoor(services, verifier, sts_services, origins, settings.max_json_body)
    flask = Flask("ecr_emulator", static_folder=None)
    flask.config[ADMIN_TOKEN] = settings.admin_token
    flask.register_blueprint(logo_blueprint(registry))
    flask.register_blueprint(identities_blueprint(identities))
    flask.register_blueprint(lifecycle_blueprint(registry))
    flask.register_blueprint(events_blueprint(registry.event_log))
    flask.register_blueprint(scan_findings_blueprint(registry, check_findings))
    flask.register_blueprint(bills_blueprint(registry))
    flask.register_blueprint(signatures_blueprint(registry))
    flask.register_error_handler(404, _not_found)
    flask.register_error_handler(405, _not_found)
    metrics = Metrics(counts)
    jobs = JobWorker(
        registry.jobs,
        registry.job_functions(),
        registry.last_words(),
        registry.recurring_jobs(),
        metrics.job_ended,
        registry.slow_jobs(),
    )
    flask.register_blueprint(
        metrics_blueprint(registry, metrics, settings.data_dir, lambda: jobs.works)
    )
    control = (
        None if movable is None else ClockControl(movable, registry.jobs.bring_forward, jobs.wake)
    )
    if control is not None:
        flask.register_blueprint(clock_blueprint(control))
    flask.register_blueprint(admin_blueprint(registry, identities, document, [companion, control]))
    companion_door = None if companion is None else CompanionDoor(companion, lenient)
    return Application(oci, aws, flask, database, jobs, origins, companion_door, metrics)


def create_server_app(
    settings: Settings, companions_at: Address | None = None, counts: Path | None = None
) -> Application:
    """Build the application for a server's worker: it also works in the background."""
    application = create_app(settings, companions_at=companions_at, counts=counts)
    application.jobs.start()
    return application


def _not_found(_error: Exception) -> Response:
    return Response('{"__type":"UnknownOperationException"}', 404, mimetype="application/json")

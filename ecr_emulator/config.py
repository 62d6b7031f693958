"""The settings: what each means, its name everywhere, and how a value for it is checked.

A setting is one field of :class:`Settings`. Its help text and its parser stand beside it, and
flags, ``ECR_EMULATOR_*`` variables and the keys of the settings file are all made from the
fields (:mod:`ecr_emulator.setting_sources`), so that no name or rule is written twice.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from ecr_emulator import setting_values as values


class SettingError(ValueError):
    """A value that cannot be used. Its text is one line: the setting, the source, the fault."""


@dataclass(frozen=True)
class SettingInfo:
    """What is known of a setting apart from its value.

    :param help: one or two sentences for ``serve --help`` and the reference.
    :param parse: turns a flag's, a variable's or the file's value into the setting's own type;
        raises ``ValueError`` with a text that continues "the value ...".
    :param metavar: how the value is named in help.
    :param flag: whether it is a yes/no setting (``--x / --no-x``).
    :param secret: whether its value must not be repeated in messages.
    :param default_text: the default as help shows it, where the value alone would mislead.
    """

    help: str
    parse: values.Parser
    metavar: str = "TEXT"
    flag: bool = False
    secret: bool = False
    default_text: str | None = None


def _setting(default: object, info: SettingInfo) -> Any:
    if callable(default):
        return field(default_factory=default, metadata={"info": info}, repr=not info.secret)
    return field(default=default, metadata={"info": info}, repr=not info.secret)


def _default_workers() -> int:
    """Two at least, so that one busy process never stops the other; more than four gain little."""
    if hasattr(os, "sched_getaffinity"):
        processors = len(os.sched_getaffinity(0))
    else:  # pragma: no cover - not Linux
        processors = os.cpu_count() or 2
    return max(2, min(4, processors))


@dataclass(frozen=True)
class Settings:
    """All settings of a server: made by :mod:`ecr_emulator.setting_sources`, or directly in tests.

    Values are checked and converted on construction (``Settings(data_dir="x")`` holds an absolute
    :class:`~pathlib.Path`), and a bad one raises :class:`SettingError`. An empty `database_url`
    becomes the SQLite file in `data_dir`; so give both to :func:`dataclasses.replace`, or neither.
    """

    host: str = _setting(
        "127.0.0.1",
        SettingInfo(
            "The address to listen on. Whoever reaches it can use the well-known test"
            " credentials, so keep to loopback where that matters.",
            values.address,
            "ADDRESS",
        ),
    )
    port: int = _setting(
        4566,
        SettingInfo(
            "The port to listen on; 0 takes any free one.", values.whole_number(0, 65535), "PORT"
        ),
    )
    data_dir: Path = _setting(
        Path("data"),
        SettingInfo(
            "The folder for the database and the blobs. It is made when missing, and several"
            " servers may share it.",
            values.folder,
            "FOLDER",
        ),
    )
    tls: bool = _setting(
        False,
        SettingInfo(
            "Serve HTTPS, with certificates by an authority of the server's own that is kept in"
            " the data folder; see ecr-emulator tls.",
            values.yes_no,
            flag=True,
        ),
    )
    tls_aws_names: bool = _setting(
        False,
        SettingInfo(
            "Have AWS's own host names in the certificate too, for clients that are led here"
            " under them: <account>.dkr.ecr.<region>.amazonaws.com,"
            " api.ecr.<region>.amazonaws.com, public.ecr.aws.",
            values.yes_no,
            flag=True,
        ),
    )
    database_url: str = _setting(
        "",
        SettingInfo(
            "The database, as sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME.",
            values.database_url,
            "URL",
            secret=True,
            default_text="registry.sqlite3 in the data folder",
        ),
    )
    workers: int = _setting(
        _default_workers,
        SettingInfo(
            "How many processes serve requests.",
            values.whole_number(1, 64),
            "NUMBER",
            default_text="2 to 4, by the processors",
        ),
    )
    threads: int = _setting(
        32,
        SettingInfo(
            "How many requests each process works on at once; a transfer counts for as long as it"
            " lasts, and what is beyond waits.",
            values.whole_number(1, 1024),
            "NUMBER",
        ),
    )
    durability: str = _setting(
        "full",
        SettingInfo(
            "full: what was acknowledged survives a power cut. relaxed: faster, survives a crash"
            " of the server but not of the machine.",
            values.one_of("full", "relaxed"),
            "full|relaxed",
        ),
    )
    encryption: str = _setting(
        "off",
        SettingInfo(
            "Whether what repositories without a KMS key hold is encrypted on the disk. What those"
            " with one hold always is. After a change, ecr-emulator keys apply takes along what is"
            " there.",
            values.one_of("off", "on"),
            "off|on",
        ),
    )
    master_key: str = _setting(
        "",
        SettingInfo(
            "The file of the key that all encryption rests on: 32 bytes in base64 on a line.",
            values.any_text,
            "FILE",
            default_text="master.key in the data folder, made when it is first needed",
        ),
    )
    auth: str = _setting(
        "strict",
        SettingInfo(
            "strict: signatures and tokens are verified. permissive: any credential is accepted.",
            values.one_of("strict", "permissive"),
            "strict|permissive",
        ),
    )
    admin_token: str = _setting(
        "",
        SettingInfo(
            "Who sends this as `Authorization: Bearer TOKEN` may use the control endpoints below"
            " /_emulator/, from anywhere, and nobody else. Better by variable or file: flags are"
            " seen by all users of the machine.",
            values.optional_token,
            "TOKEN",
            secret=True,
            default_text="none: programs on this machine may use them, no others",
        ),
    )
    identities: str = _setting(
        "",
        SettingInfo(
            "A TOML or JSON file of users, roles, their policies and keys, organizations and VPC"
            " endpoints; read at every start.",
            values.any_text,
            "FILE",
            default_text="none",
        ),
    )
    default_region: str = _setting(
        "us-east-1",
        SettingInfo(
            "The region of a request that names none.",
            values.region,
            "REGION",
        ),
    )
    registry_host: str = _setting(
        "",
        SettingInfo(
            "The registry's address in repositoryUri and proxyEndpoint, for example"
            " {account}.dkr.ecr.{region}.localhost:{port}.",
            values.host_template,
            "TEMPLATE",
            default_text="the host and port by which the caller reached the server",
        ),
    )
    public_registry_host: str = _setting(
        "",
        SettingInfo(
            "The host, with or without a port, that stands for public.ecr.aws in the"
            " repositoryUri of public repositories. It must lead to this server, and be no"
            " private registry's.",
            values.optional_host,
            "HOST",
            default_text="public.ecr.aws/ as a path on the address by which the caller reached"
            " the server",
        ),
    )
    upstreams: Mapping[str, str] = _setting(
        dict,
        SettingInfo(
            "Where registries that images are cached from (pull-through cache) are found, if not"
            " at their own addresses: quay.io=http://127.0.0.1:5000, more with commas between;"
            " in the settings file a table.",
            values.upstream_addresses,
            "HOST=URL,...",
            secret=True,  # none belongs here, but a URL is where people put passwords
            default_text="none",
        ),
    )
    secrets: str = _setting(
        "",
        SettingInfo(
            "A TOML or JSON file of the secrets that pull-through cache rules name: by ARN or"
            " name, each with a username and an accessToken; read at every start.",
            values.any_text,
            "FILE",
            default_text="none",
        ),
    )
    companions: str = _setting(
        "auto",
        SettingInfo(
            "Whether requests for other AWS services are answered too, by moto, whose users and"
            " roles, secrets and event rules then count here. auto: if moto is installed (extra"
            " [aws]).",
            values.one_of("auto", "on", "off"),
            "auto|on|off",
        ),
    )
    replication_endpoints: Mapping[str, str] = _setting(
        dict,
        SettingInfo(
            "Where replication finds registries that another emulator holds:"
            " 222222222222/eu-west-1=http://127.0.0.1:5000, or the account or the region alone;"
            " more with commas between; in the settings file a table.",
            values.registry_addresses,
            "REGISTRY=URL,...",
            default_text="none: all registries are here",
        ),
    )
    peer_keys: Mapping[str, str] = _setting(
        dict,
        SettingInfo(
            "The access keys by which an account of this emulator is known to the others that"
            " its images are replicated to or cached from: 111111111111=KEY_ID:SECRET, more with"
            " commas between; in the settings file a table. Better by variable or file.",
            values.account_keys,
            "ACCOUNT=KEY_ID:SECRET,...",
            secret=True,
            default_text="the account's id with the secret test, which every emulator knows",
        ),
    )
    trusted_keys: str = _setting(
        "",
        SettingInfo(
            "A PEM file, or a folder of them, with the public keys (cosign's) and certificates"
            " (the Notary Project's) by which the signatures of images verify; read at every"
            " start.",
            values.any_text,
            "PATH",
            default_text="none: only what signing profiles sign verifies",
        ),
    )
    event_targets: tuple[str, ...] = _setting(
        (),
        SettingInfo(
            "Who is told of events: file:PATH, http(s)://URL, sqs:QUEUE_URL,"
            " sns:ENDPOINT_URL#TOPIC_ARN, eventbridge:ENDPOINT_URL[#BUS]; more with commas"
            " between, in the settings file a list.",
            values.event_targets,
            "TARGET,...",
            secret=True,  # a webhook's URL is often a secret
            default_text="none",
        ),
    )
    api_call_events: bool = _setting(
        False,
        SettingInfo(
            "Write down every API call as an event too, as CloudTrail records it. It costs a"
            " write a call.",
            values.yes_no,
            flag=True,
        ),
    )
    quotas: Mapping[str, int] = _setting(
        dict,
        SettingInfo(
            "Service quotas other than AWS's: images-per-repository=100, more with commas between;"
            " in the settings file a table. There are repositories-per-registry,"
            " images-per-repository, tags-per-image, layer-parts, layer-size (in MiB),"
            " pull-through-cache-rules and repository-creation-templates.",
            values.quotas,
            "NAME=NUMBER,...",
            default_text="AWS's",
        ),
    )
    strict_ecr: bool = _setting(
        False,
        SettingInfo(
            "Do as the real ECR does where it departs from the OCI distribution specification.",
            values.yes_no,
            flag=True,
        ),
    )
    max_json_body: int = _setting(
        32 * 1024**2,
        SettingInfo(
            "The largest body of an API call, in bytes. A layer part of 20 MiB needs 27 MiB.",
            values.size(1024, 1024**3),
            "SIZE",
            default_text="32MiB",
        ),
    )
    max_manifest: int = _setting(
        4 * 1024**2,
        SettingInfo(
            "The largest manifest, in bytes.",
            values.size(1024, 64 * 1024**2),
            "SIZE",
            default_text="4MiB",
        ),
    )
    garbage_grace: int = _setting(
        24,
        SettingInfo(
            "How many hours uploads under way, and layers that no image names, are kept before"
            " they count as garbage. A server collects it every hour.",
            values.whole_number(0, 24 * 365),
            "HOURS",
        ),
    )
    head_timeout: int = _setting(
        30,
        SettingInfo(
            "How long the head of a request may take to arrive, and a connection without one may"
            " stay open, in seconds.",
            values.whole_number(1, 600),
            "SECONDS",
        ),
    )
    connections: int = _setting(
        512,
        SettingInfo(
            "How many connections each process holds at once, idle ones included; what is beyond"
            " waits. More than 900 need a higher limit of open files (ulimit -n).",
            values.whole_number(16, 65_536),
            "NUMBER",
        ),
    )
    stall_timeout: int = _setting(
        120,
        SettingInfo(
            "How many seconds a client may hold up a transfer, in either direction, before it is"
            " cut off. Needs Linux.",
            values.whole_number(1, 86400),
            "SECONDS",
        ),
    )
    log_level: str = _setting(
        "info",
        SettingInfo(
            "How much goes to standard error.",
            values.one_of("debug", "info", "warning", "error"),
            "debug|info|warning|error",
        ),
    )

    def __post_init__(self) -> None:
        for item in fields(self):
            value = checked(item, getattr(self, item.name), source="")
            object.__setattr__(self, item.name, value)
        if not self.database_url:
            path = (self.data_dir / "registry.sqlite3").as_posix()
            object.__setattr__(self, "database_url", f"sqlite:///{path}")


def setting_info(item: Field[Any]) -> SettingInfo:
    """Return what is known of a field of :class:`Settings`."""
    info: SettingInfo = item.metadata["info"]
    return info


def default_text(item: Field[Any]) -> str:
    """Return the default of a field of :class:`Settings` in words, for help."""
    info = setting_info(item)
    if info.default_text is not None:
        return info.default_text
    if item.default is MISSING:
        raise TypeError(f"{item.name}: a computed default needs a default_text")
    return str(item.default).lower() if info.flag else str(item.default)


def checked(item: Field[Any], value: object, source: str) -> Any:
    """Return *value* as the field's own type.

    :param source: where the value comes from, for the message.
    :raises SettingError: it cannot be that.
    """
    info = setting_info(item)
    try:
        return info.parse(value)
    except ValueError as error:
        shown = "the value" if info.secret else values.shown(value)
        raise SettingError(f"setting {item.name}{source}: {shown} {error}") from None

"""The secrets with the credentials for upstream registries, in a file or in a Secrets Manager.

The keys of the file are the secrets' ARNs or names, its values what the secrets hold (user guide,
"Storing your upstream repository credentials in an AWS Secrets Manager secret")::

    ["ecr-pullthroughcache/docker-hub"]
    username = "someone"
    accessToken = "…"
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ecr_emulator.upstreams.client import Login

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - the same parser under its older name
    import tomli as tomllib

#: Secrets Manager ends the name in an ARN with six random characters.
_SUFFIX = re.compile(r"-[A-Za-z0-9]{6}\Z")


class InvalidSecrets(ValueError):
    """The file cannot be used; the text is one line that says why, and holds no secret."""


@dataclass(frozen=True, slots=True)
class SecretValue:
    """What a Secrets Manager has of a secret.

    :ivar text: ``None`` for one that holds bytes, or nothing.
    :ivar is_deleted: whether it is scheduled for deletion, and cannot be read.
    """

    text: str | None = field(repr=False)
    is_deleted: bool = False


class SecretsManager(Protocol):
    """Where secrets are that no file has."""

    def value(self, arn: str) -> SecretValue | None:
        """Return the current value of the secret *arn*, or ``None`` if there is no such secret."""


class Secrets:
    """Credentials by the ARNs or names of their secrets.

    :param logins: those of the file, which come first.
    :param manager: where the others are; ``None`` if nowhere, so that nobody knows what secrets
        there are.
    """

    def __init__(
        self,
        logins: Mapping[str, Login] | None = None,
        manager: SecretsManager | None = None,
    ) -> None:
        self._logins = dict(logins or {})
        self._manager = manager

    def login(self, arn: str) -> Login | None:
        """Return what the secret *arn* holds, or ``None`` if that is not known, or no login."""
        known = self._in_file(arn)
        if known is not None or self._manager is None or not arn:
            return known
        value = self._manager.value(arn)
        return None if value is None or value.text is None else _login_of_text(value.text)

    def exists(self, arn: str) -> bool:
        """Say whether there is a secret *arn*, as far as anybody knows what secrets there are."""
        if self._manager is None or self._in_file(arn) is not None:
            return True
        return self._manager.value(arn) is not None

    def is_accessible(self, arn: str) -> bool:
        """Say whether the secret *arn*, which exists, can be read."""
        if self._manager is None or self._in_file(arn) is not None:
            return True
        value = self._manager.value(arn)
        return value is not None and not value.is_deleted

    def _in_file(self, arn: str) -> Login | None:
        name = arn.split(":", 6)[-1]
        for known in (arn, name, _SUFFIX.sub("", name)):
            if known in self._logins:
                return self._logins[known]
        return None


def read_secrets(path: Path, manager: SecretsManager | None = None) -> Secrets:
    """Read a file of secrets: JSON if its name ends so, else TOML.

    :param manager: where the secrets are that the file has not.
    :raises InvalidSecrets: it cannot be read or used.
    """
    try:
        text = path.read_text("utf-8")
        document = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InvalidSecrets(f"secrets file {path}: {reason}") from None
    except (ValueError, RecursionError):
        # The parser's own words may repeat what is in the file.
        raise InvalidSecrets(f"secrets file {path}: neither TOML nor JSON") from None
    if not isinstance(document, dict):
        raise InvalidSecrets(f"secrets file {path}: not a table of secrets")
    logins = {}
    for name, secret in document.items():
        login = _login(secret)
        if login is None:
            shown = ascii(name)[:200]
            raise InvalidSecrets(
                f"secrets file {path}: {shown} needs the texts username and accessToken"
            )
        logins[name] = login
    return Secrets(logins, manager)


def _login_of_text(text: str) -> Login | None:
    try:
        return _login(json.loads(text))
    except (ValueError, RecursionError):
        return None


def _login(secret: object) -> Login | None:
    values = secret if isinstance(secret, dict) else {}
    username, token = values.get("username"), values.get("accessToken")
    if not isinstance(username, str) or not isinstance(token, str):
        return None
    return Login(username, token)

"""The secrets with the credentials for upstream registries, in a file.

Its keys are the secrets' ARNs or names, its values what the secrets hold (user guide, "Storing
your upstream repository credentials in an AWS Secrets Manager secret")::

    ["ecr-pullthroughcache/docker-hub"]
    username = "someone"
    accessToken = "…"
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from ecr_emulator.upstreams.client import Login

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - the same parser under its older name
    import tomli as tomllib

#: Secrets Manager ends the name in an ARN with six random characters.
_SUFFIX = re.compile(r"-[A-Za-z0-9]{6}\Z")


class InvalidSecrets(ValueError):
    """The file cannot be used; the text is one line that says why, and holds no secret."""


class Secrets:
    """Credentials by the ARNs or names of their secrets."""

    def __init__(self, logins: Mapping[str, Login] | None = None) -> None:
        self._logins = dict(logins or {})

    def login(self, arn: str) -> Login | None:
        """Return what the secret *arn* holds, or ``None`` if it is not known."""
        name = arn.split(":", 6)[-1]
        for known in (arn, name, _SUFFIX.sub("", name)):
            if known in self._logins:
                return self._logins[known]
        return None


def read_secrets(path: Path) -> Secrets:
    """Read a file of secrets: JSON if its name ends so, else TOML.

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
        values = secret if isinstance(secret, dict) else {}
        username, token = values.get("username"), values.get("accessToken")
        if not isinstance(username, str) or not isinstance(token, str):
            shown = ascii(name)[:200]
            raise InvalidSecrets(
                f"secrets file {path}: {shown} needs the texts username and accessToken"
            )
        logins[name] = Login(username, token)
    return Secrets(logins)

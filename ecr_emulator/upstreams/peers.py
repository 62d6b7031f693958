"""Other emulators: where they are, and how this one logs in to their registries.

It does so as any client of AWS: by an access key that they know, GetAuthorizationToken, and
before that AssumeRole where it is a role that they let in.
"""

from __future__ import annotations

import base64
import ssl
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from ecr_emulator.arns import RegistryKey
from ecr_emulator.upstreams.client import Login, UpstreamDenied, UpstreamUnavailable

#: The secret that goes with an account's id in every emulator.
_WELL_KNOWN_SECRET = "test"
#: How long a registry token is used; it would be good for twelve hours.
_TOKEN_SECONDS = 3600.0
#: That of a role's session ends with the session, which lasts an hour.
_SESSION_TOKEN_SECONDS = 1800.0
_TOKENS_KEPT = 256
_CONFIG = Config(
    connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 1}, parameter_validation=True
)
_SESSION_NAME = "ecr-pull-through-cache"


class LoginRefused(UpstreamDenied):
    """The other emulator does not let this one in.

    :ivar code: that of its error.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Peers:
    """The other emulators.

    :param addresses: their URLs by what registries they hold: ``222222222222/eu-west-1``, or an
        account or a region alone. The closest of these counts.
    :param keys: access key ids and their secrets by account, as ``KEY_ID:SECRET``.
    """

    def __init__(
        self, addresses: Mapping[str, str] | None = None, keys: Mapping[str, str] | None = None
    ) -> None:
        self._addresses = dict(addresses or {})
        self._keys = {account: pair.partition(":") for account, pair in (keys or {}).items()}
        self._session = botocore.session.Session()
        self._tokens: OrderedDict[tuple[object, ...], tuple[Login, float]] = OrderedDict()
        self._lock = threading.Lock()

    def address(self, key: RegistryKey) -> str | None:
        """Return the URL of the emulator that holds a registry; ``None`` for this one."""
        for name in (f"{key.account}/{key.region}", key.account, key.region):
            if name in self._addresses:
                return self._addresses[name].rstrip("/")
        return None

    def login(
        self, url: str, account: str, registry: RegistryKey, role_arn: str | None = None
    ) -> Login:
        """Return what lets *account* in to a registry of the emulator at *url*.

        :param role_arn: the role of the account to be there, instead of the account itself.
        :raises LoginRefused: it does not let it in.
        :raises UpstreamUnavailable: it does not answer.
        """
        kept = (url, account, registry, role_arn)
        with self._lock:
            login, ends = self._tokens.get(kept, (None, 0.0))
        if login is not None and time.monotonic() < ends:
            return login
        key_id, _, secret = self._keys.get(account, (account, ":", _WELL_KNOWN_SECRET))
        credentials = {"aws_access_key_id": key_id, "aws_secret_access_key": secret}
        try:
            if role_arn is not None:
                credentials = self._assume(url, registry.region, credentials, role_arn)
            login = self._log_in(url, registry, credentials)
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            if status >= 500 or status == 429:
                raise UpstreamUnavailable(f"status {status}") from None
            code = str(error.response.get("Error", {}).get("Code", "Unknown"))
            raise LoginRefused(code[:100]) from None
        except (BotoCoreError, HTTPClientError, ValueError, KeyError, IndexError) as error:
            # The last three: an answer that is not what it should be.
            raise UpstreamUnavailable(type(error).__name__) from None
        seconds = _TOKEN_SECONDS if role_arn is None else _SESSION_TOKEN_SECONDS
        with self._lock:
            self._tokens[kept] = (login, time.monotonic() + seconds)
            while len(self._tokens) > _TOKENS_KEPT:
                self._tokens.popitem(last=False)
        return login

    def credentials(
        self, url: str, account: str, registry: RegistryKey, role_arn: str | None
    ) -> PeerCredentials:
        """Return what lets *account* in there, to be had when it is asked for (:meth:`login`)."""
        return PeerCredentials(self, url, account, registry, role_arn)

    def forget(self, login: Login) -> None:
        """Use a login no more, as when it is refused."""
        with self._lock:
            for kept in [kept for kept, (known, _) in self._tokens.items() if known == login]:
                del self._tokens[kept]

    def _assume(
        self, url: str, region: str, credentials: Mapping[str, str], role_arn: str
    ) -> dict[str, str]:
        sts = self._client("sts", url, region, credentials)
        answer = sts.assume_role(RoleArn=role_arn, RoleSessionName=_SESSION_NAME)["Credentials"]
        return {
            "aws_access_key_id": answer["AccessKeyId"],
            "aws_secret_access_key": answer["SecretAccessKey"],
            "aws_session_token": answer["SessionToken"],
        }

    def _log_in(self, url: str, registry: RegistryKey, credentials: Mapping[str, str]) -> Login:
        ecr = self._client("ecr", url, registry.region, credentials)
        answer = ecr.get_authorization_token(registryIds=[registry.account])
        token = answer["authorizationData"][0]["authorizationToken"]
        user, _, password = base64.b64decode(token).decode("utf-8").partition(":")
        return Login(user, password)

    def _client(self, service: str, url: str, region: str, credentials: Mapping[str, str]) -> Any:
        with self._lock:  # a session is not safe to share between threads
            return self._session.create_client(
                service,
                region_name=region,
                endpoint_url=url,
                config=_CONFIG,
                # Who is trusted is one thing for all connections: botocore has a list of its own.
                verify=ssl.get_default_verify_paths().cafile or True,
                **credentials,
            )


@dataclass(frozen=True)
class PeerCredentials:
    """A registry token of another emulator, as the client of upstreams wants it."""

    peers: Peers
    url: str
    account: str
    registry: RegistryKey
    role_arn: str | None

    @property
    def basic(self) -> str:
        """The value of the header that sends it."""
        return self._login().basic

    def forget(self) -> bool:
        """Have the next one asked for anew."""
        self.peers.forget(self._login())
        return True

    def _login(self) -> Login:
        return self.peers.login(self.url, self.account, self.registry, self.role_arn)

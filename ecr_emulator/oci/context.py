"""What every function of the OCI door is handed."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from ecr_emulator.arns import RegistryKey
from ecr_emulator.auth.page_tokens import PageTokens
from ecr_emulator.auth.urls import DownloadUrls
from ecr_emulator.oci.authentication import Authenticator, Caller, OciPermit
from ecr_emulator.oci.http import Request
from ecr_emulator.policy.actions import When
from ecr_emulator.policy.data_plane import Call, needed
from ecr_emulator.registry.core import Registry


@dataclass(frozen=True, slots=True)
class DoorServices:
    """What the door is built from.

    :ivar strict_ecr: answer as ECR does where it departs from the OCI specification.
    :ivar max_manifest: the largest manifest, in bytes.
    """

    registry: Registry
    authenticator: Authenticator
    urls: DownloadUrls
    page_tokens: PageTokens
    strict_ecr: bool
    max_manifest: int


@dataclass(frozen=True, slots=True)
class Context:
    """One request, authenticated: who asks for what, in which repository.

    :ivar name: the repository's name.
    :ivar path_name: its name as the request's path has it: a public repository's begins with
        the alias of its registry.
    """

    services: DoorServices
    request: Request
    caller: Caller
    name: str
    reference: str
    path_name: str

    @property
    def registry(self) -> Registry:
        """The registry core."""
        return self.services.registry

    @property
    def key(self) -> RegistryKey:
        """The registry that is asked."""
        return self.caller.key

    @property
    def repository_path(self) -> str:
        """The path of the repository at this door, percent-encoded."""
        return f"/v2/{quote(self.path_name)}"

    @property
    def strict_ecr(self) -> bool:
        """Whether to answer as ECR does where it departs from the OCI specification."""
        return self.services.strict_ecr

    def require(self, call: Call, when: When = When.ALWAYS, repository: str | None = None) -> None:
        """Refuse unless the caller may do what *call* needs, always or in the case *when*.

        :param repository: another repository than the one the path names.
        :raises OciError: the caller may not.
        """
        for action in needed(self.key, call, when):
            self.services.authenticator.check(
                self.caller, action, repository or self.name or None, self.request
            )

    @property
    def permit(self) -> OciPermit:
        """What tells whether the caller may do more to the repository."""
        return self.services.authenticator.permit(self.caller, self.name, self.request)

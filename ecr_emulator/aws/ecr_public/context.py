"""What every ECR Public operation is handed: who calls, and what it may call."""

from __future__ import annotations

from dataclasses import dataclass

from ecr_emulator.arns import RegistryKey, public_registry
from ecr_emulator.aws.errors import AwsError
from ecr_emulator.aws.model import load_service
from ecr_emulator.aws.operation_calls import CallContext, Params
from ecr_emulator.registry.errors import RepositoryNotFound
from ecr_emulator.registry.public_registries import RegistryNotFound

#: The one region in which ECR Public has its operations. There is an endpoint in us-west-2
#: too, which refuses them (public issue threads).
REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class EcrPublicContext(CallContext):
    """One call of an ECR Public operation."""

    @property
    def home(self) -> RegistryKey:
        """The caller's public registry."""
        return public_registry(self.principal.account)

    def key(self, params: Params) -> RegistryKey:
        """Return the registry that a call acts on: the caller's own unless it names another.

        It may be named by its alias too, where the model lets it (layers and images).

        :raises RegistryNotFound: no registry has that alias.
        """
        registry_id = params.get("registryId")
        return (
            self.home if registry_id is None else self.registry.public_registries.find(registry_id)
        )

    def authorize(self, operation: str, params: Params) -> None:
        """Refuse unless the caller may call *operation* with *params*, in this region.

        :raises AwsError: ECR Public is not in this region.
        :raises AccessDenied: the caller may not.
        """
        if self.region != REGION:
            # As observed in us-west-2.
            raise AwsError(
                "UnsupportedCommandException",
                f"{operation} command is only supported in {REGION}.",
            )
        try:
            CallContext.authorize(self, operation, params)
        except RegistryNotFound:
            if RegistryNotFound.code in load_service("ecr-public").operations[operation].errors:
                raise
            # BatchDeleteImage takes an alias too, and does not model that there is none.
            raise RepositoryNotFound(params["repositoryName"], params["registryId"]) from None

    def registry_uri(self, account: str) -> str | None:
        """Return the address of a public registry as this caller can reach it.

        :returns: ``None`` while the registry has no alias, which its first repository brings.
        """
        alias = self.registry.public_registries.alias(account)
        if alias is None:
            return None
        return self.services.addresses.public_registry(alias, self.endpoint)

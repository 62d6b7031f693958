"""What can go wrong with pull-through cache rules; see :mod:`.errors`.

"Observed" texts are the live service's, from public issue threads and pre-flight checks.
"""

from __future__ import annotations

from ecr_emulator.registry.errors import RegistryError


class PullThroughRuleNotFound(RegistryError):
    """The registry has no rule for the prefix."""

    code = "PullThroughCacheRuleNotFoundException"

    def __init__(self, prefix: str, account: str) -> None:
        # Likeliest.
        super().__init__(
            f"The pull through cache rule with ECR repository prefix '{prefix}' does not exist "
            f"in the registry with id '{account}'"
        )


class PullThroughRuleAlreadyExists(RegistryError):
    """The registry has a rule for the prefix."""

    code = "PullThroughCacheRuleAlreadyExistsException"

    def __init__(self, prefix: str, account: str) -> None:
        # Likeliest.
        super().__init__(
            f"The pull through cache rule with ECR repository prefix '{prefix}' already exists "
            f"in the registry with id '{account}'"
        )


class UnsupportedUpstream(RegistryError):
    """The upstream is none that ECR caches, or not with these credentials."""

    code = "UnsupportedUpstreamRegistryException"

    @classmethod
    def unknown(cls, url: str) -> UnsupportedUpstream:
        """Return the error for a URL that is no supported registry's."""
        # Observed; that it comes with this exception is likeliest.
        return cls(f"The upstream registry URL {url[:255]} is invalid")

    @classmethod
    def needs_secret(cls) -> UnsupportedUpstream:
        """Return the error for an upstream that takes a user name and a token, and got none."""
        return cls(  # Observed.
            "The specified upstream registry requires authentication. Specify a valid Secrets "
            "Manager ARN containing the upstream registry credentials."
        )

    @classmethod
    def needs_role(cls) -> UnsupportedUpstream:
        """Return the error for an ECR registry of another account without a role."""
        return cls(  # Likeliest, after the one above.
            "The specified upstream registry requires authentication. Specify a valid IAM role ARN."
        )

    @classmethod
    def takes_no_credentials(cls) -> UnsupportedUpstream:
        """Return the error for credentials that an open upstream does not take."""
        # Observed; that it comes with this exception is likeliest.
        return cls("The specified upstream registry doesn't require authentication")


class SecretNotFound(RegistryError):
    """The secret with the credentials is not where ECR reads it."""

    code = "SecretNotFoundException"

    def __init__(self) -> None:
        # Both sentences are observed; that they stand together is likeliest.
        super().__init__(
            "The ARN of the secret specified in the pull through cache rule was not found. "
            "Please verify the secret exists in the same region and account that the "
            "pullthrough cache rule will be created in."
        )

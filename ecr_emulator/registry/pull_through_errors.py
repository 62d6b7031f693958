"""What can go wrong with pull-through cache rules and pulls by them; see :mod:`.errors`.

"Observed" texts are the live service's, from public issue threads and pre-flight checks.
"""

from __future__ import annotations

from ecr_emulator.registry.errors import RegistryError
from ecr_emulator.upstreams.client import UpstreamBusy, UpstreamDenied, UpstreamError

#: The service model's description of UnableToAccessSecretException.
SECRET_NOT_ACCESSIBLE = (
    "The secret is unable to be accessed. Verify the resource permissions for the secret and "
    "try again."
)


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


class SecretNotAccessible(RegistryError):
    """The secret with the credentials is there and cannot be read."""

    code = "UnableToAccessSecretException"

    def __init__(self) -> None:
        super().__init__(SECRET_NOT_ACCESSIBLE)


#: Codes of ``failures[]`` (API reference ``ImageFailure``).
ACCESS_DENIED = "UpstreamAccessDenied"
TOO_MANY_REQUESTS = "UpstreamTooManyRequests"
UNAVAILABLE = "UpstreamUnavailable"

#: What each code means to a caller: the first is observed, the others are likeliest.
REASONS = {
    ACCESS_DENIED: (
        "The authentication to the upstream registry failed. Verify that the credentials "
        "provided in the pull through cache rule are correct, and try again."
    ),
    TOO_MANY_REQUESTS: "The upstream registry has received too many requests. Try again later.",
    UNAVAILABLE: (
        "The upstream registry is unavailable. Verify that it can be reached, and try again."
    ),
}


class UpstreamImageFailure(RegistryError):
    """An image cannot be had from the upstream registry.

    :ivar failure_code: why, as ``failures[]`` has it; ``None`` when the credentials for the
        upstream cannot be had either.
    """

    code = "UnableToGetUpstreamImageException"

    def __init__(self, failure_code: str | None) -> None:
        # The text for a secret: after the service model's description of the exception.
        super().__init__(
            REASONS[failure_code] if failure_code is not None else SECRET_NOT_ACCESSIBLE
        )
        self.failure_code = failure_code


class UpstreamLayerFailure(RegistryError):
    """A layer cannot be had from the upstream registry.

    :ivar failure_code: as that of :class:`UpstreamImageFailure`.
    """

    code = "UnableToGetUpstreamLayerException"

    def __init__(self, failure_code: str | None) -> None:
        # After the service model's description of the exception.
        reason = f" {REASONS[failure_code]}" if failure_code is not None else ""
        super().__init__(
            "There was an issue getting the upstream layer matching the pull through cache rule."
            + reason
        )
        self.failure_code = failure_code


class UpstreamReferrersFailure(RegistryError):
    """The upstream registry does not tell what refers to an image.

    :ivar failure_code: as that of :class:`UpstreamImageFailure`.
    """

    code = "UnableToListUpstreamImageReferrersException"

    def __init__(self, failure_code: str | None) -> None:
        # After the service model's description of the exception.
        reason = REASONS[failure_code] if failure_code is not None else SECRET_NOT_ACCESSIBLE
        super().__init__(
            "The referrer or referrers were unable to be listed using the pull through cache "
            f"rule. {reason}"
        )
        self.failure_code = failure_code


def upstream_failure_code(error: UpstreamError) -> str:
    """Return the code of ``failures[]`` for what an upstream did not do."""
    if isinstance(error, UpstreamDenied):
        return ACCESS_DENIED
    return TOO_MANY_REQUESTS if isinstance(error, UpstreamBusy) else UNAVAILABLE

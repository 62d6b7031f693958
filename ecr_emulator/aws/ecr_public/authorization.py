"""GetAuthorizationToken: the way from AWS credentials to ``docker login``."""

from __future__ import annotations

from typing import Any

from ecr_emulator.aws.ecr_public.context import EcrPublicContext
from ecr_emulator.aws.ecr_public.operation import operation
from ecr_emulator.aws.operation_calls import Params


@operation("GetAuthorizationToken")
def get_authorization_token(context: EcrPublicContext, params: Params) -> dict[str, Any]:
    """Return a token for the public registries; it is a bearer token as it stands."""
    issued = context.services.tokens.issue(
        context.principal, context.principal.account, context.region, service="ecr-public"
    )
    return {
        "authorizationData": {
            "authorizationToken": issued.token,
            "expiresAt": issued.expires_at,
        }
    }

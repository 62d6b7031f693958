"""GetAuthorizationToken: the way from AWS credentials to ``docker login``."""

from __future__ import annotations

from typing import Any

from ecr_emulator.arns import RegistryKey
from ecr_emulator.aws.ecr.context import EcrContext, Params
from ecr_emulator.aws.ecr.operation import operation


@operation("GetAuthorizationToken")
def get_authorization_token(context: EcrContext, params: Params) -> dict[str, Any]:
    """Return a token for each registry named, or for the caller's own."""
    accounts = params.get("registryIds") or [context.principal.account]
    data = []
    for account in dict.fromkeys(accounts):
        issued = context.services.tokens.issue(context.principal, account, context.region)
        host = context.services.addresses.host(
            RegistryKey(account, context.region), context.endpoint
        )
        data.append(
            {
                "authorizationToken": issued.token,
                "expiresAt": issued.expires_at,
                "proxyEndpoint": f"{context.endpoint.scheme}://{host}",
            }
        )
    return {"authorizationData": data}

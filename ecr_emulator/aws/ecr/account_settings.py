"""Account settings."""

from __future__ import annotations

from typing import Any

from ecr_emulator.aws.ecr.context import EcrContext, Params
from ecr_emulator.aws.ecr.operation import operation


@operation("GetAccountSetting")
def get_account_setting(context: EcrContext, params: Params) -> dict[str, Any]:
    """Return the value of an account setting."""
    name = params["name"]
    value = context.registry.account_settings.get(context.key(params), name)
    return {"name": name, "value": value}


@operation("PutAccountSetting")
def put_account_setting(context: EcrContext, params: Params) -> dict[str, Any]:
    """Change an account setting."""
    name, value = params["name"], params["value"]
    context.registry.account_settings.put(context.key(params), name, value)
    return {"name": name, "value": value}

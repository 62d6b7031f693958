"""The IAM roles that a registry is told to assume."""

from __future__ import annotations

import re

from ecr_emulator.arns import RegistryKey
from ecr_emulator.registry.errors import InvalidParameter

_ROLE_ARN = re.compile(r"arn:(aws[a-z-]{0,16}):iam::([0-9]{12}):role/[\w+=,.@/-]{1,1000}\Z")


def check_custom_role(key: RegistryKey, arn: str) -> None:
    """Check that *arn* is that of a role in the account of the registry *key*.

    Source: API reference, ``customRoleArn`` ("must be in the same account as the registry").

    :raises InvalidParameter: it is not (wordings: likeliest).
    """
    match = _ROLE_ARN.match(arn)
    if match is None or match.group(1) != key.partition:
        raise InvalidParameter.at("customRoleArn", "Invalid role ARN")
    if match.group(2) != key.account:
        raise InvalidParameter.at(
            "customRoleArn", "The role must be in the same account as the registry"
        )

"""Registry keys and ARNs (Service Authorization Reference, ECR and ECR Public)."""

from __future__ import annotations

import pytest

from ecr_emulator.arns import RegistryKey, parse_repository_arn, public_registry

ACCOUNT = "123456789012"
KEYS = [
    (RegistryKey(ACCOUNT, "us-east-1"), f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/team/app"),
    (
        RegistryKey(ACCOUNT, "cn-north-1"),
        f"arn:aws-cn:ecr:cn-north-1:{ACCOUNT}:repository/team/app",
    ),
    (
        RegistryKey(ACCOUNT, "us-gov-west-1"),
        f"arn:aws-us-gov:ecr:us-gov-west-1:{ACCOUNT}:repository/team/app",
    ),
    (public_registry(ACCOUNT), f"arn:aws:ecr-public::{ACCOUNT}:repository/team/app"),
]


@pytest.mark.parametrize(("key", "arn"), KEYS)
def test_a_repositorys_arn(key: RegistryKey, arn: str) -> None:
    assert key.repository_arn("team/app") == arn
    assert parse_repository_arn(arn) == (key, "team/app")
    assert key.is_public == ("ecr-public" in arn)
    assert key.service == arn.split(":")[2]
    assert key.partition == arn.split(":")[1]


@pytest.mark.parametrize(
    "arn",
    [
        "",
        "team/app",
        f"arn:aws:ecr:public:{ACCOUNT}:repository/team/app",
        f"arn:aws:ecr::{ACCOUNT}:repository/team/app",
        f"arn:aws:ecr-public:us-east-1:{ACCOUNT}:repository/team/app",
        f"arn:aws-cn:ecr-public::{ACCOUNT}:repository/team/app",
        f"arn:aws-cn:ecr:us-east-1:{ACCOUNT}:repository/team/app",
        f"arn:aws:ecr:cn-north-1:{ACCOUNT}:repository/team/app",
        f"arn:aws:ecr-public::{ACCOUNT}:registry/{ACCOUNT}",
        f"arn:aws:ecr-public::{ACCOUNT}:repository/Upper",
        f"arn:aws:ecr-public::{ACCOUNT}:repository/app\n",
        "arn:aws:ecr-public::12345:repository/team/app",
    ],
)
def test_what_is_no_repositorys_arn(arn: str) -> None:
    assert parse_repository_arn(arn) is None

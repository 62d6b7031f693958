"""``ecr-emulator explain``: what each door would decide, and what else the operation needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ecr_emulator.cli import main
from tests.access.conftest import IDENTITIES

OWNER = "111111111111"
CI = f"arn:aws:iam::{OWNER}:user/teams/web/ci"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with the users and roles of the identities file."""
    folder = tmp_path / "data"
    result = CliRunner().invoke(
        main, ["iam", "apply", str(IDENTITIES), "--data-dir", str(folder)], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    return folder


def explain(data: Path, action: str, resource: str, *more: str) -> tuple[int, Any]:
    result = CliRunner().invoke(
        main,
        [
            "explain",
            *("--principal", CI, "--action", action, "--resource", resource),
            *("--json", "--data-dir", str(data), *more),
        ],
        catch_exceptions=False,
    )
    return result.exit_code, json.loads(result.output)


def test_which_statement_decided(data: Path) -> None:
    arn = f"arn:aws:ecr:us-east-1:{OWNER}:repository/web-a"
    status, answer = explain(data, "ecr:PutImage", arn)
    assert (status, answer["allowed"]) == (0, True)
    assert "statement 1 (Own)" in answer["reason"]
    assert {
        "action": "signer:SignPayload",
        "when": "a rule of the signing configuration covers the repository",
    } in answer["also"]
    status, answer = explain(data, "ecr:DeleteRepository", arn)
    assert (status, answer["allowed"]) == (1, False)
    assert [item["sid"] for item in answer["statements"] if item["applies"]] == ["Own", "Keep"]


def test_actions_without_a_resource_and_of_other_services(data: Path) -> None:
    status, answer = explain(data, "ecr:GetAuthorizationToken", "*")
    assert (status, answer["allowed"], answer["also"]) == (0, True, [])
    role = f"arn:aws:iam::{OWNER}:role/reader"
    status, answer = explain(data, "iam:PassRole", role)
    assert status == 1
    assert answer["reason"] == f"no identity-based policy allows iam:PassRole on {role}"
    status, answer = explain(data, "ecr-public:DescribeRegistries", "*")
    assert status == 1
    assert f"arn:aws:ecr-public::{OWNER}:registry/{OWNER}" in answer["reason"]
    needed = {
        item["action"] for item in explain(data, "ecr:CreatePullThroughCacheRule", "*")[1]["also"]
    }
    assert needed == {"iam:PassRole", "iam:CreateServiceLinkedRole"}

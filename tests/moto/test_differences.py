"""The same walk at moto and here: docs/moto-differences.md has every difference, and why."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import boto3

from tests.moto import walk_images, walk_registry, walk_repositories
from tests.moto.recording import Side, differences
from tests.support.app import ACCOUNT, App

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "moto-differences.md"
_SEEN_IN = re.compile(r"^Seen in: (.*?)\.$", re.MULTILINE | re.DOTALL)


def walk(side: Side) -> dict[str, Any]:
    """Make every call and return the outcome of each step."""
    walk_repositories.repositories(side)
    walk_repositories.tag_mutability(side)
    walk_repositories.resource_tags(side)
    walk_repositories.repository_policies(side)
    walk_repositories.lifecycle_policies(side)
    walk_images.layers(side)
    walk_images.puts(side)
    walk_images.reads(side)
    walk_images.immutable_tags(side)
    walk_images.indexes(side)
    walk_registry.registry_policy(side)
    walk_registry.replication(side)
    walk_registry.scanning(side)
    walk_registry.tokens(side)
    walk_images.deletes(side)
    return side.outcomes


def documented() -> list[str]:
    """Return the differences that the document lists."""
    return [
        name
        for paragraph in _SEEN_IN.findall(DOCUMENT.read_text())
        for name in re.findall(r"`([^`]+)`", " ".join(paragraph.split()))
    ]


def test_every_difference_is_documented(app: App, moto_url: str) -> None:
    def moto_client(region: str) -> Any:
        return boto3.client(
            "ecr",
            endpoint_url=moto_url,
            region_name=region,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    ours = walk(Side(lambda region: app.ecr(ACCOUNT, region), app.run_jobs))
    theirs = walk(Side(moto_client, lambda: None))
    found = differences(ours, theirs)
    unlisted = {name: both for name, both in found.items() if name not in documented()}
    assert not unlisted, "\n".join(
        ["differences that docs/moto-differences.md does not list (ours / moto's):"]
        + [f"{name}: {both}" for name, both in unlisted.items()]
    )
    gone = [name for name in documented() if name not in found]
    assert not gone, f"docs/moto-differences.md lists what is no difference: {gone}"


def test_the_document_lists_each_difference_once() -> None:
    names = documented()
    assert len(names) > 100
    assert sorted(names) == sorted(set(names))

"""Lifecycle evaluation: the user guide's examples, and each rule of its algorithm by itself."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from ecr_emulator.registry.lifecycle_evaluation import (
    AffectedImage,
    Evaluation,
    FollowingReferrer,
    ImageFacts,
    ProtectedImage,
    evaluate,
)
from ecr_emulator.registry.lifecycle_policy import parse_lifecycle_policy

NOW = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def image(digest: str, days: float, *tags: str, **facts: Any) -> ImageFacts:
    """An image pushed *days* ago."""
    return ImageFacts(digest, ago(days), tags, **facts)


def run(images: Sequence[ImageFacts], *rules: dict[str, Any]) -> Evaluation:
    """Evaluate *rules*, in the order of their priorities 1, 2, ..., over *images*."""
    numbered = [
        {
            "rulePriority": priority,
            "selection": {name: value for name, value in rule.items() if name != "action"},
            "action": rule.get("action", {"type": "expire"}),
        }
        for priority, rule in enumerate(rules, 1)
    ]
    return evaluate(parse_lifecycle_policy(json.dumps({"rules": numbered})), images, NOW)


def taken(evaluation: Evaluation) -> list[tuple[str, int]]:
    """Digest and rule priority of each result, in order."""
    return [(result.digest, result.rule_priority) for result in evaluation.results]


def more_than(count: int) -> dict[str, Any]:
    return {"countType": "imageCountMoreThan", "countNumber": count}


def older_than(days: int, count_type: str = "sinceImagePushed") -> dict[str, Any]:
    return {"countType": count_type, "countUnit": "days", "countNumber": days}


def prefixes(*items: str) -> dict[str, Any]:
    return {"tagStatus": "tagged", "tagPrefixList": list(items)}


def patterns(*items: str) -> dict[str, Any]:
    return {"tagStatus": "tagged", "tagPatternList": list(items)}


ANY = {"tagStatus": "any"}
UNTAGGED = {"tagStatus": "untagged"}
TO_ARCHIVE = {"action": {"type": "transition", "targetStorageClass": "archive"}}
ARCHIVED = {"storageClass": "archive", **older_than(90, "sinceImageTransitioned")}


# --- the user guide's examples ("Examples of lifecycle policies in Amazon ECR") ----------------

MULTIPLE = [
    image("A", 10, "beta-1", "prod-1"),
    image("B", 9, "beta-2", "prod-2"),
    image("C", 8, "beta-3"),
]


def test_guide_image_age() -> None:
    images = [image("old", 15, "prod-1"), image("new", 13, "prod-2"), image("other", 15, "dev")]
    assert taken(run(images, {**patterns("prod*"), **older_than(14)})) == [("old", 1)]


def test_guide_image_count() -> None:
    images = [image("A", 3), image("B", 2), image("C", 1), image("tagged", 9, "v")]
    assert taken(run(images, {**UNTAGGED, **more_than(1)})) == [("A", 1), ("B", 1)]


@pytest.mark.parametrize("select", [lambda name: prefixes(name), lambda name: patterns(f"{name}*")])
def test_guide_multiple_rules_a(select: Any) -> None:
    rules = [{**select("prod"), **more_than(1)}, {**select("beta"), **more_than(1)}]
    assert taken(run(MULTIPLE, *rules)) == [("A", 1)]


@pytest.mark.parametrize("select", [lambda name: prefixes(name), lambda name: patterns(f"{name}*")])
def test_guide_multiple_rules_b(select: Any) -> None:
    rules = [{**select("beta"), **more_than(1)}, {**select("prod"), **more_than(1)}]
    assert taken(run(MULTIPLE, *rules)) == [("A", 1), ("B", 1)]


def test_guide_multiple_tags_a() -> None:
    images = [
        image("A", 12, "alpha-1"),
        image("B", 11, "beta-1"),
        image("C", 10, "alpha-2", "beta-2"),
        image("D", 4, "alpha-3"),
        image("E", 3, "beta-3"),
        image("F", 2, "alpha-4", "beta-4"),
    ]
    assert taken(run(images, {**prefixes("alpha", "beta"), **older_than(5)})) == [("C", 1)]


def test_guide_multiple_tags_b() -> None:
    images = [
        image("A", 10, "alpha-1", "beta-1", "gamma-1"),
        image("B", 9, "alpha-2", "beta-2"),
        image("C", 8, "alpha-3", "beta-3", "gamma-2"),
    ]
    assert taken(run(images, {**patterns("alpha*", "beta*"), **more_than(1)})) == [
        ("A", 1),
        ("B", 1),
    ]


def test_guide_all_images_a() -> None:
    images = [
        image("A", 4, "alpha-1"),
        image("B", 3, "beta-1"),
        image("C", 2),
        image("D", 1, "alpha-2"),
    ]
    assert taken(run(images, {**ANY, **more_than(1)})) == [("A", 1), ("B", 1), ("C", 1)]


def test_guide_all_images_b() -> None:
    images = [
        image("A", 4, "alpha-1", "beta-1"),
        image("B", 3),
        image("C", 2, "alpha-2"),
        image("D", 1, "git hash"),
        image("E", 1),
    ]
    rules = [
        {**prefixes("alpha"), **more_than(1)},
        {**UNTAGGED, **older_than(1)},
        {**ANY, **more_than(1)},
    ]
    assert taken(run(images, *rules)) == [("A", 1), ("B", 2), ("D", 3)]


def test_guide_archive_what_is_not_pulled_then_expire_it() -> None:
    rules = [
        {**ANY, **older_than(90, "sinceImagePulled"), **TO_ARCHIVE},
        {**ANY, "storageClass": "archive", **older_than(365, "sinceImageTransitioned")},
    ]
    images = [
        image("unpulled", 91, "a"),
        image("pulled", 400, last_pulled_at=ago(91)),
        image("in use", 400, last_pulled_at=ago(89)),
        image("archived", 900, storage_class="archive", last_archived_at=ago(366)),
        image("just archived", 900, storage_class="archive", last_archived_at=ago(364)),
    ]
    assert run(images, *rules).results == (
        AffectedImage("pulled", 1, "transition", "archive"),
        AffectedImage("unpulled", 1, "transition", "archive"),
        AffectedImage("archived", 2, "expire"),
    )


# --- selection ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "tag", "matches"),
    [
        ("v1", "v1", True),
        ("v1", "v1.0", False),
        ("v*", "v", True),
        ("v*", "V1", False),
        ("*", "anything", True),
        ("*-rc", "1-rc", True),
        ("*-rc", "-rc", True),
        ("*-rc", "rc", False),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("ab*ba", "aba", False),
        ("*test*1*2*3", "mytest-1-2-3", True),
        ("*test*1*2*3", "mytest-1-3-2", False),
        ("test*1*2*3*", "test123", True),
        ("a*b*b", "ab", False),
        ("a**b", "a-b", True),
        ("a.c*", "abc", False),
        ("[ab]*", "a", False),
        ("v?", "v1", False),
        ("", "v", False),
    ],
)
def test_wildcards(pattern: str, tag: str, *, matches: bool) -> None:
    result = taken(run([image("A", 2, tag)], {**patterns(pattern), **older_than(1)}))
    assert result == ([("A", 1)] if matches else [])


def test_a_star_in_a_prefix_is_text() -> None:
    assert not run([image("A", 2, "v1")], {**prefixes("v*"), **older_than(1)}).results


def test_each_entry_of_a_list_may_match_another_tag() -> None:
    images = [image("A", 2, "v1", "prod"), image("B", 2, "v1"), image("C", 2, "prod", "x")]
    assert taken(run(images, {**patterns("v*", "*r*d", "prod"), **older_than(1)})) == [("A", 1)]


def test_each_storage_class_has_rules_of_its_own() -> None:
    rules = [
        # Sees standard images alone: archived ones with such tags stay free for rule 3.
        {**prefixes("v"), **more_than(1), **TO_ARCHIVE},
        {**UNTAGGED, **older_than(1)},
        {**ANY, **ARCHIVED},
    ]
    images = [
        image("kept", 100, "v2"),
        image("to archive", 200, "v1"),
        image("archived", 300, "v0", storage_class="archive", last_archived_at=ago(91)),
        image("being restored", 300, storage_class="activating", last_archived_at=ago(91)),
        image("archived untagged", 9, storage_class="archive", last_archived_at=ago(89)),
    ]
    assert taken(run(images, *rules)) == [("to archive", 1), ("archived", 3)]


# --- counts and ages ---------------------------------------------------------------------------


def test_images_of_higher_rules_count_for_lower_ones() -> None:
    images = [
        image("A", 3, "v1"),
        image("B", 2, "v2", "beta-1"),
        image("C", 1, "beta-2"),
        image("D", 5, "beta-0"),
    ]
    # Rule 1 takes B and keeps it from rule 2, for which it is still one of the two youngest.
    rules = [{**prefixes("v"), **older_than(1)}, {**prefixes("beta"), **more_than(2)}]
    assert taken(run(images, *rules)) == [("A", 1), ("B", 1), ("D", 2)]


def test_what_a_higher_rule_keeps_no_lower_rule_takes() -> None:
    images = [image("keep", 100, "prod-1", "build-1"), image("go", 100, "build-2")]
    rules = [{**prefixes("prod"), **more_than(9999)}, {**ANY, **older_than(30)}]
    assert taken(run(images, *rules)) == [("go", 2)]


def test_a_restored_image_counts_as_young_as_its_restoration() -> None:
    images = [
        image("restored", 100, last_archived_at=ago(50), last_activated_at=ago(1)),
        image("A", 3),
        image("B", 2),
    ]
    assert taken(run(images, {**ANY, **more_than(2)})) == [("A", 1)]


def test_days_since_the_push_run_from_the_push() -> None:
    images = [image("restored", 100, last_activated_at=ago(1))]
    assert taken(run(images, {**ANY, **older_than(99)})) == [("restored", 1)]


@pytest.mark.parametrize(
    ("facts", "since"),
    [
        ({}, 10),
        ({"last_pulled_at": ago(5)}, 5),
        ({"last_activated_at": ago(3)}, 3),
        ({"last_pulled_at": ago(5), "last_activated_at": ago(3)}, 3),
        ({"last_pulled_at": ago(2), "last_activated_at": ago(3)}, 2),
    ],
)
def test_what_counts_as_the_last_pull(facts: dict[str, Any], since: int) -> None:
    def is_taken(days: int) -> bool:
        rule = {**ANY, **older_than(days, "sinceImagePulled"), **TO_ARCHIVE}
        return bool(run([image("A", 10, **facts)], rule).results)

    assert is_taken(since - 1)
    assert not is_taken(since)


def test_older_means_more_than_the_days_to_the_second() -> None:
    day = timedelta(days=1)
    images = [ImageFacts("at", NOW - day), ImageFacts("over", NOW - day - timedelta(seconds=1))]
    assert taken(run(images, {**ANY, **older_than(1)})) == [("over", 1)]


def test_an_archived_image_without_its_time_stays() -> None:
    images = [image("A", 999, storage_class="archive")]
    assert run(images, {**ANY, **ARCHIVED}) == Evaluation((), (), ())


def test_days_beyond_any_time_span() -> None:
    assert not run([image("A", 999)], {**ANY, **older_than(2**31 - 1)}).results


def test_results_go_by_priority_then_from_old_to_young_then_by_digest() -> None:
    images = [image("D", 1), image("C", 2, "v"), image("B", 3), image("A", 3), image("E", 2, "v")]
    rules = [{**prefixes("v"), **older_than(1)}, {**ANY, **more_than(1)}]
    assert taken(run(images, *rules)) == [("C", 1), ("E", 1), ("A", 2), ("B", 2)]


# --- manifest lists ----------------------------------------------------------------------------

LIST = [
    image("list", 20, "v1"),
    image("amd64", 21, referenced_by=("list",)),
    image("arm64", 22, referenced_by=("list", "other list")),
]


def test_what_a_manifest_list_lists_stays() -> None:
    evaluation = run(LIST, {**UNTAGGED, **older_than(1)})
    assert evaluation == Evaluation(
        (),
        (
            ProtectedImage("arm64", 1, "expire", None, ("list",)),
            ProtectedImage("amd64", 1, "expire", None, ("list",)),
        ),
        (),
    )


def test_it_goes_only_in_the_run_after_its_list() -> None:
    first = run(LIST, {**ANY, **older_than(1)})
    assert taken(first) == [("list", 1)]
    assert [kept.digest for kept in first.protected] == ["arm64", "amd64"]
    second = run(LIST[1:], {**ANY, **older_than(1)})
    assert taken(second) == [("arm64", 1), ("amd64", 1)]


def test_an_archived_list_lets_its_images_into_the_archive_and_no_further() -> None:
    images = [replace(LIST[0], storage_class="archive"), *LIST[1:]]
    archiving = run(images, {**UNTAGGED, **older_than(1), **TO_ARCHIVE})
    assert taken(archiving) == [("arm64", 1), ("amd64", 1)]
    expiring = run(images, {**UNTAGGED, **older_than(1)})
    assert not expiring.results
    assert [kept.digest for kept in expiring.protected] == ["arm64", "amd64"]


def test_a_list_that_is_being_restored_protects() -> None:
    images = [replace(LIST[0], storage_class="activating"), *LIST[1:]]
    assert not run(images, {**UNTAGGED, **older_than(1), **TO_ARCHIVE}).results


def test_protected_images_count() -> None:
    # Of three images the two youngest stay, whatever they are.
    images = [image("A", 30, "a"), *LIST[:2]]
    assert taken(run(images, {**ANY, **more_than(2)})) == [("A", 1)]


# --- referrers ---------------------------------------------------------------------------------


def test_referrers_go_with_their_subject_and_theirs_with_them() -> None:
    images = [
        image("image", 30, "v1"),
        image("sbom", 29, subject="image"),
        image("signature", 28, subject="image"),
        image("sbom signature", 27, subject="sbom"),
        image("stray", 26, subject="gone"),
    ]
    assert run(images, {**prefixes("v"), **older_than(1)}) == Evaluation(
        (AffectedImage("image", 1, "expire"),),
        (),
        (
            FollowingReferrer("sbom", "image", 1, "expire"),
            FollowingReferrer("signature", "image", 1, "expire"),
            FollowingReferrer("sbom signature", "sbom", 1, "expire"),
        ),
    )


def test_referrers_are_archived_with_their_subject() -> None:
    images = [
        image("image", 30, "v1"),
        image("signature", 28, subject="image"),
        image("archived", 28, subject="image", storage_class="archive"),
    ]
    assert run(images, {**prefixes("v"), **older_than(1), **TO_ARCHIVE}).followers == (
        FollowingReferrer("signature", "image", 1, "transition", "archive"),
    )


def test_archived_referrers_expire_with_their_subject() -> None:
    archived = {"storage_class": "archive", "last_archived_at": ago(91)}
    images = [image("image", 99, "v1", **archived), image("signature", 99, **archived)]
    images[1] = replace(images[1], subject="image")
    evaluation = run(images, {**prefixes("v"), **ARCHIVED})
    assert evaluation.followers == (FollowingReferrer("signature", "image", 1, "expire"),)


def test_a_referrer_that_a_rule_takes_is_not_named_twice() -> None:
    images = [image("image", 30, "v1"), image("signature", 28, subject="image")]
    evaluation = run(images, {**ANY, **older_than(1)})
    assert taken(evaluation) == [("image", 1), ("signature", 1)]
    assert not evaluation.followers


def test_a_referrer_in_a_manifest_list_stays() -> None:
    images = [
        image("image", 30, "v1"),
        image("signature", 28, subject="image", referenced_by=("list",)),
        image("its signature", 27, subject="signature"),
        image("list", 1, "sha256-image"),
    ]
    evaluation = run(images, {**prefixes("v"), **older_than(1)})
    assert evaluation.protected == (ProtectedImage("signature", 1, "expire", None, ("list",)),)
    assert not evaluation.followers


def test_a_protected_referrer_that_a_rule_would_take_is_named_once() -> None:
    images = [
        image("image", 30, "v1"),
        image("signature", 28, "v2", subject="image", referenced_by=("list",)),
        image("list", 1, "sha256-image"),
    ]
    evaluation = run(images, {**prefixes("v"), **older_than(1)})
    assert [kept.digest for kept in evaluation.protected] == ["signature"]


def test_subjects_in_a_circle_come_to_an_end() -> None:
    images = [
        image("A", 30, "v1", subject="C"),
        image("B", 28, subject="A"),
        image("C", 27, subject="B"),
        image("D", 27, subject="D"),
    ]
    evaluation = run(images, {**prefixes("v"), **older_than(1)})
    assert [follower.digest for follower in evaluation.followers] == ["B", "C"]


# --- size --------------------------------------------------------------------------------------


def test_a_full_repository_under_fifty_rules_takes_seconds() -> None:
    images = [
        image(f"sha256:{number:064x}", number % 400, f"t{number % 60}-{number}", f"build-{number}x")
        for number in range(100_000)
    ]
    rules: list[dict[str, Any]] = [
        {**prefixes(f"t{number}-"), **more_than(10)} for number in range(24)
    ]
    rules += [{**patterns(f"*t{number}-*x*"), **more_than(10)} for number in range(24, 48)]
    rules += [{**UNTAGGED, **older_than(1)}, {**ANY, **more_than(50_000)}]
    started = time.process_time()
    evaluation = run(images, *rules)
    assert time.process_time() - started < 20
    assert len(evaluation.results) > 1_000

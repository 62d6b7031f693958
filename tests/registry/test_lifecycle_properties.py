"""What holds for lifecycle evaluation whatever the policy and the repository."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ecr_emulator.registry.lifecycle_evaluation import Evaluation, ImageFacts, evaluate
from ecr_emulator.registry.lifecycle_policy import (
    InvalidLifecyclePolicy,
    LifecycleAction,
    LifecyclePolicy,
    LifecycleRule,
    LifecycleSelection,
    parse_lifecycle_policy,
    render_lifecycle_policy,
)

NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)
DIGESTS = tuple("ABCDEFGH")


def ago(days: int) -> datetime:
    return NOW - timedelta(days=days)


# --- the guide's algorithm once more, as plainly as it can be said -----------------------------


def sees(rule: LifecycleRule, image: ImageFacts) -> bool:
    selection = rule.selection
    if image.storage_class != (selection.storage_class or "standard"):
        return False
    if selection.tag_status == "any":
        return True
    if selection.tag_status == "untagged":
        return not image.tags
    expressions = [re.escape(prefix) + ".*" for prefix in selection.tag_prefixes] + [
        re.escape(pattern).replace(r"\*", ".*") for pattern in selection.tag_patterns
    ]
    return all(any(re.fullmatch(e, tag) for tag in image.tags) for e in expressions)


def young_first(images: Sequence[ImageFacts]) -> list[ImageFacts]:
    ordered = sorted(images, key=lambda image: image.digest, reverse=True)
    ordered.sort(key=lambda image: image.last_activated_at or image.pushed_at, reverse=True)
    return ordered


def would_mark(rule: LifecycleRule, images: Sequence[ImageFacts]) -> list[str]:
    """The digests that *rule* would act on if it stood alone, youngest first."""
    seen = [image for image in young_first(images) if sees(rule, image)]
    number = rule.selection.count_number
    if rule.selection.count_type == "imageCountMoreThan":
        return [image.digest for image in seen[number:]]
    since = {
        "sinceImagePushed": lambda image: image.pushed_at,
        "sinceImagePulled": lambda image: max(
            image.last_pulled_at or image.pushed_at, image.last_activated_at or image.pushed_at
        ),
        "sinceImageTransitioned": lambda image: image.last_archived_at or NOW,
    }[rule.selection.count_type]
    return [image.digest for image in seen if since(image) < NOW - timedelta(days=number)]


def naive(policy: LifecyclePolicy, images: Sequence[ImageFacts]) -> list[tuple[str, int]]:
    """Digest and rule priority of what the rules act on, manifest lists not yet regarded."""
    outcome = []
    for place, rule in enumerate(policy.rules):
        marked = set(would_mark(rule, images))
        for image in reversed(young_first(images)):
            if image.digest in marked and not any(sees(r, image) for r in policy.rules[:place]):
                outcome.append((image.digest, rule.priority))
    return outcome


# --- repositories and policies -----------------------------------------------------------------

tags = st.lists(st.text(alphabet="ab", min_size=1, max_size=3), max_size=3, unique=True)
days = st.integers(0, 4)
times = st.none() | days.map(ago)


@st.composite
def repositories(draw: st.DrawFn, storage_classes: Sequence[str]) -> list[ImageFacts]:
    images = []
    for place, digest in enumerate(draw(st.lists(st.sampled_from(DIGESTS), unique=True))):
        pushed_at = ago(draw(days))
        # After the push, as restorations and pulls are.
        later = st.none() | st.integers(0, (NOW - pushed_at).days).map(ago)
        others = st.sampled_from([other for other in DIGESTS if other != digest])
        images.append(
            ImageFacts(
                digest,
                pushed_at,
                tuple(draw(tags)),
                draw(st.sampled_from(storage_classes)),
                last_pulled_at=draw(later),
                last_activated_at=draw(later),
                last_archived_at=draw(st.none() | st.integers(85, 95).map(ago)),
                referenced_by=tuple(draw(st.lists(others, max_size=2))) if place % 3 == 0 else (),
                subject=draw(st.none() | others) if place % 3 == 1 else None,
            )
        )
    return images


items = st.lists(st.text(alphabet="ab", max_size=2), min_size=1, max_size=2).map(tuple)
wildcards = st.lists(st.text(alphabet="ab*", max_size=4), min_size=1, max_size=2).map(tuple)
tag_selections = st.one_of(
    st.just({"tag_status": "untagged"}),
    st.builds(lambda v: {"tag_status": "tagged", "tag_prefixes": v}, items),
    st.builds(lambda v: {"tag_status": "tagged", "tag_patterns": v}, wildcards),
)
counts = st.builds(
    lambda n: {"count_type": "imageCountMoreThan", "count_number": n}, st.integers(1, 4)
)
ages = st.builds(
    lambda name, n: {"count_type": name, "count_number": n, "count_unit": "days"},
    st.sampled_from(["sinceImagePushed", "sinceImagePulled"]),
    st.integers(1, 4),
)
archived = st.builds(
    lambda n: {
        "count_type": "sinceImageTransitioned",
        "count_number": n,
        "count_unit": "days",
        "storage_class": "archive",
    },
    st.integers(90, 93),
)
EXPIRE = LifecycleAction("expire")
TRANSITION = LifecycleAction("transition", "archive")


@st.composite
def policies(draw: st.DrawFn, kinds: st.SearchStrategy[dict[str, Any]]) -> LifecyclePolicy:
    """A policy that ECR takes; made of values, then through the text, so that it is one."""
    rules: list[LifecycleRule] = []
    for priority in range(1, draw(st.integers(1, 5)) + 1):
        selection = draw(tag_selections) | draw(kinds)
        action = draw(st.sampled_from([EXPIRE, TRANSITION]))
        if selection["count_type"] == "sinceImagePulled":
            action = TRANSITION
        elif selection["count_type"] == "sinceImageTransitioned":
            action = EXPIRE
        rules.append(LifecycleRule(priority, LifecycleSelection(**selection), action))
    if draw(st.booleans()):
        last = LifecycleSelection(tag_status="any", **draw(kinds))
        is_pull = last.count_type == "sinceImagePulled"
        rules.append(LifecycleRule(9, last, TRANSITION if is_pull else EXPIRE))
    while True:
        # Rules that ECR does not want together thin out until they may stand.
        try:
            return parse_lifecycle_policy(render_lifecycle_policy(LifecyclePolicy(tuple(rules))))
        except InvalidLifecyclePolicy:
            rules.pop(draw(st.integers(0, len(rules) - 1)))
            if not rules:
                rules = [LifecycleRule(1, LifecycleSelection("any", **draw(counts)), EXPIRE)]


ALL_CLASSES = ("standard", "standard", "archive", "activating")
any_images = repositories(ALL_CLASSES)
any_policy = policies(counts | ages | archived)


def after(images: Sequence[ImageFacts], evaluation: Evaluation) -> list[ImageFacts]:
    """The repository once *evaluation* has been carried out."""
    affected = {e.digest: e.action for e in (*evaluation.results, *evaluation.followers)}
    return [
        replace(image, storage_class="archive", last_archived_at=NOW)
        if image.digest in affected
        else image
        for image in images
        if affected.get(image.digest) != "expire"
    ]


def gone(images: Sequence[ImageFacts], evaluation: Evaluation) -> set[str]:
    return {i.digest for i in images} - {i.digest for i in after(images, evaluation)}


def is_protected(image: ImageFacts, images: Sequence[ImageFacts], action: str = "expire") -> bool:
    """Whether a list keeps *action* from an image; an archived list does not keep it active."""
    protecting = {
        other.digest for other in images if action == "expire" or other.storage_class != "archive"
    }
    return not protecting.isdisjoint(image.referenced_by)


# --- properties --------------------------------------------------------------------------------


@given(any_policy, any_images)
def test_it_does_what_the_plain_algorithm_does(
    policy: LifecyclePolicy, images: list[ImageFacts]
) -> None:
    evaluation = evaluate(policy, images, NOW)
    expected = naive(policy, images)
    by_digest = {image.digest: image for image in images}
    kinds = {rule.priority: rule.action.type for rule in policy.rules}
    kept = {
        digest
        for digest, priority in expected
        if is_protected(by_digest[digest], images, kinds[priority])
    }
    acted = [(result.digest, result.rule_priority) for result in evaluation.results]
    assert acted == [entry for entry in expected if entry[0] not in kept]
    # Behind these stand the referrers that would have followed.
    kept_back = [(image.digest, image.rule_priority) for image in evaluation.protected]
    assert kept_back[: len(expected) - len(acted)] == [e for e in expected if e[0] in kept]
    actions = {rule.priority: rule.action for rule in policy.rules}
    for entry in (*evaluation.results, *evaluation.protected, *evaluation.followers):
        assert actions[entry.rule_priority] == LifecycleAction(
            entry.action, entry.target_storage_class
        )


@given(any_policy, any_images, st.randoms(use_true_random=False))
def test_the_order_of_storage_does_not_matter(
    policy: LifecyclePolicy, images: list[ImageFacts], random: Any
) -> None:
    evaluation = evaluate(policy, images, NOW)
    random.shuffle(images)
    assert evaluate(policy, iter(images), NOW) == evaluation


@given(any_policy, any_images)
def test_an_image_is_named_once(policy: LifecyclePolicy, images: list[ImageFacts]) -> None:
    evaluation = evaluate(policy, images, NOW)
    named = [
        entry.digest
        for entry in (*evaluation.results, *evaluation.protected, *evaluation.followers)
    ]
    assert len(named) == len(set(named))
    assert set(named) <= {image.digest for image in images}


@given(any_policy, any_images)
def test_protected_images_stay(policy: LifecyclePolicy, images: list[ImageFacts]) -> None:
    remaining = after(images, evaluate(policy, images, NOW))
    digests = {image.digest for image in remaining}
    for image in images:
        if is_protected(image, images):
            assert image.digest in digests
        if is_protected(image, images, "transition"):
            assert image in remaining


@given(any_policy, any_images)
def test_no_referrer_outlives_what_a_rule_expires(
    policy: LifecyclePolicy, images: list[ImageFacts]
) -> None:
    evaluation = evaluate(policy, images, NOW)
    expired = gone(images, evaluation)
    by_rule = {result.digest for result in evaluation.results}
    for image in images:
        if image.subject in expired and not is_protected(image, images):
            assert image.digest in expired | by_rule


@given(policies(counts), repositories(["standard"]))
def test_counts_leave_as_many_as_they_say(
    policy: LifecyclePolicy, images: list[ImageFacts]
) -> None:
    evaluation = evaluate(policy, images, NOW)
    for rule in policy.rules:
        seen = [image.digest for image in young_first(images) if sees(rule, image)]
        results = {r.digest for r in evaluation.results if r.rule_priority == rule.priority}
        assert results <= set(seen[rule.selection.count_number :])


@given(policies(counts), repositories(["standard"]))
def test_a_second_run_finds_only_what_a_list_has_let_go(
    policy: LifecyclePolicy, images: list[ImageFacts]
) -> None:
    first = evaluate(policy, images, NOW)
    affected = {entry.digest for entry in (*first.results, *first.followers)}
    let_go = {image.digest for image in images if not affected.isdisjoint(image.referenced_by)}
    second = evaluate(policy, after(images, first), NOW)
    assert {result.digest for result in second.results} <= let_go


@given(any_policy, any_images)
def test_runs_come_to_rest(policy: LifecyclePolicy, images: list[ImageFacts]) -> None:
    # Each run that does something ends a list of the repository or changes an image's class.
    for _ in range(2 * len(images) + 1):
        evaluation = evaluate(policy, images, NOW)
        if not evaluation.results:
            return
        images = after(images, evaluation)
    raise AssertionError("still not at rest")

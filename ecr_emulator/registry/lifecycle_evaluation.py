"""What a lifecycle policy would do to a repository now.

The algorithm is the user guide's ("Lifecycle policy evaluation rules"):

* All rules look at the images as they are; what they find is applied by priority.
* A rule sees the images of its storage class that its tag selection matches, and of those only
  the ones that no rule of a higher priority sees are its to act on, even if that rule keeps
  them. For a count, all that it sees count, those that other rules act on included.
* An image that a manifest list in the repository lists "cannot be expired or archived without
  the manifest list being deleted or archived first". First means in a run before, since rules
  look at the images as they are: what this run takes a list away from, the next run may take.
  We read it so that an archived list lets its images into the archive, but does not let them
  be deleted: it could never be restored.
* Referrers (manifests with a ``subject``) go where their subject goes. Apart from that they are
  images like any other: they count and rules may select them, since no source says otherwise
  and public reports of signatures being counted do.

Time and order: an image that was archived and restored counts as young as its restoration. The
days of ``sinceImagePushed`` run from the push all the same, as the guide has it. "Older than n
days" excludes n days to the second (the guide's example "filtering on all images", B).
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ecr_emulator.registry.lifecycle_policy import (
    ARCHIVE,
    EXPIRE,
    IMAGE_COUNT_MORE_THAN,
    SINCE_IMAGE_PULLED,
    SINCE_IMAGE_PUSHED,
    STANDARD,
    UNTAGGED,
    LifecyclePolicy,
    LifecycleRule,
)


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What evaluation needs to know of an image.

    :param storage_class: ``standard`` or ``archive``; no rule sees an image of another (one
        that is being restored).
    :param last_pulled_at: the last recorded pull.
    :param last_activated_at: when it was last restored from the archive.
    :param last_archived_at: when it was last archived.
    :param referenced_by: digests of the manifest lists that list it. Those that are not among
        the images given to :func:`evaluate` do not count.
    :param subject: the digest of the image that it refers to, if it is a referrer.
    """

    digest: str
    pushed_at: datetime
    tags: tuple[str, ...] = ()
    storage_class: str = STANDARD
    last_pulled_at: datetime | None = None
    last_activated_at: datetime | None = None
    last_archived_at: datetime | None = None
    referenced_by: tuple[str, ...] = ()
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class AffectedImage:
    """An image and what becomes of it by the rule with the priority *rule_priority*."""

    digest: str
    rule_priority: int
    action: str
    target_storage_class: str | None = None


@dataclass(frozen=True, slots=True)
class ProtectedImage:
    """An image that would be affected, were it not listed by *referenced_by*."""

    digest: str
    rule_priority: int
    action: str
    target_storage_class: str | None
    referenced_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FollowingReferrer:
    """A referrer to which happens what happens to its *subject*, by the subject's rule."""

    digest: str
    subject: str
    rule_priority: int
    action: str
    target_storage_class: str | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The outcome; an image is in at most one of the three.

    :param results: what rules do, by rule priority and then from the oldest image to the
        youngest; equally old images by digest.
    :param protected: what a manifest list keeps from happening, in the same order and after
        that the referrers that would have followed.
    :param followers: the referrers that go with a subject in ``results``, unless a rule names
        them itself; each after its subject.
    """

    results: tuple[AffectedImage, ...]
    protected: tuple[ProtectedImage, ...]
    followers: tuple[FollowingReferrer, ...]


def evaluate(policy: LifecyclePolicy, images: Iterable[ImageFacts], now: datetime) -> Evaluation:
    """Return what *policy* does at the time *now* to a repository.

    One sort of the images and one pass over them, whatever the number of rules.

    :param images: all images of the repository, in any order, each digest once.
    :param now: an aware time, as those of the images are.
    """
    oldest_first = sorted(images, key=_age)
    present = {image.digest: image.storage_class for image in oldest_first}
    tag_matcher = _TagMatcher()
    rules = [_AppliedRule(rule, tag_matcher, now) for rule in policy.rules]
    tag_matcher.freeze()
    seeing: dict[str, list[_AppliedRule]] = defaultdict(list)
    for rule in rules:
        seeing[rule.images_of].append(rule)

    for image in reversed(oldest_first):
        if image.storage_class in seeing:
            _show(image, seeing[image.storage_class], tag_matcher.matches(image.tags))

    results: list[AffectedImage] = []
    protected: list[ProtectedImage] = []
    for rule in rules:
        for image in reversed(rule.taken):
            affected = AffectedImage(image.digest, rule.priority, *rule.action)
            parents = _parents(image, rule.action[0], present)
            if parents:
                protected.append(_protected(affected, parents))
            else:
                results.append(affected)
    followers = _followers(results, protected, oldest_first, present)
    return Evaluation(tuple(results), tuple(protected), tuple(followers))


def _age(image: ImageFacts) -> tuple[datetime, str]:
    return image.last_activated_at or image.pushed_at, image.digest


def _parents(image: ImageFacts, action: str, present: Mapping[str, str]) -> tuple[str, ...]:
    """Return the manifest lists that keep *action* from an image.

    :param present: the storage class of each image by its digest.
    """
    if not image.referenced_by:
        return ()
    return tuple(
        digest
        for digest in image.referenced_by
        if digest in present and (action == EXPIRE or present[digest] != ARCHIVE)
    )


def _protected(affected: AffectedImage, parents: tuple[str, ...]) -> ProtectedImage:
    return ProtectedImage(
        affected.digest,
        affected.rule_priority,
        affected.action,
        affected.target_storage_class,
        parents,
    )


class _AppliedRule:
    """A rule while images pass by it from the youngest to the oldest."""

    def __init__(self, rule: LifecycleRule, tag_matcher: _TagMatcher, now: datetime) -> None:
        selection = rule.selection
        self.priority = rule.priority
        self.action = (rule.action.type, rule.action.target_storage_class)
        self.images_of = selection.images_of
        self.counts = selection.count_type == IMAGE_COUNT_MORE_THAN
        #: How many images have passed that the rule sees.
        self.seen = 0
        #: Those of them that it acts on.
        self.taken: list[ImageFacts] = []
        #: The bits that the tags of an image must bring; none for ``any``.
        self.wanted = tag_matcher.require(
            untagged=selection.tag_status == UNTAGGED,
            prefixes=selection.tag_prefixes,
            patterns=selection.tag_patterns,
        )
        self._count_type = selection.count_type
        self._number = selection.count_number
        self._now = now
        # No image is as old as the greatest time span there is.
        self._span = timedelta(days=min(selection.count_number, timedelta.max.days))

    def reaches(self, image: ImageFacts) -> bool:
        """Tell whether the count or the age reaches *image*, the last one seen."""
        if self.counts:
            return self.seen > self._number
        since: datetime | None
        if self._count_type == SINCE_IMAGE_PUSHED:
            since = image.pushed_at
        elif self._count_type == SINCE_IMAGE_PULLED:
            since = _last_use(image)
        else:
            since = image.last_archived_at
        return since is not None and self._now - since > self._span


def _last_use(image: ImageFacts) -> datetime:
    """Return the time from which ``sinceImagePulled`` counts.

    The last recorded pull; of an image restored from the archive and not pulled since, the
    restoration; of an image never pulled, the push.
    """
    pulled, activated = image.last_pulled_at, image.last_activated_at
    if activated is not None and (pulled is None or pulled < activated):
        return activated
    return pulled or image.pushed_at


def _show(image: ImageFacts, rules: Sequence[_AppliedRule], tag_bits: int) -> None:
    """Let *rules*, by priority, see *image*; the first that sees it may take it."""
    is_seen = False
    for rule in rules:
        # Of an image that another rule has seen first, only the number matters.
        if (is_seen and not rule.counts) or tag_bits & rule.wanted != rule.wanted:
            continue
        rule.seen += 1
        if not is_seen:
            is_seen = True
            if rule.reaches(image):
                rule.taken.append(image)


def _followers(
    results: Sequence[AffectedImage],
    protected: list[ProtectedImage],
    oldest_first: Sequence[ImageFacts],
    present: Mapping[str, str],
) -> list[FollowingReferrer]:
    """Return the referrers of what *results* affect; add to *protected* those kept back."""
    referrers: dict[str, list[ImageFacts]] = defaultdict(list)
    for image in oldest_first:
        if image.subject is not None:
            referrers[image.subject].append(image)
    # The rules decided on these by themselves. The set also ends a circle of subjects, which
    # digests rule out but a wrong input does not.
    settled = {affected.digest for affected in results}
    settled.update(image.digest for image in protected)
    followers: list[FollowingReferrer] = []
    leading: deque[AffectedImage | FollowingReferrer] = deque(results)
    while leading and referrers:
        leader = leading.popleft()
        for image in referrers.pop(leader.digest, ()):
            if image.digest in settled:
                continue
            # Only a standard image has somewhere to go to.
            if leader.action != EXPIRE and image.storage_class != STANDARD:
                continue
            settled.add(image.digest)
            parents = _parents(image, leader.action, present)
            if parents:
                affected = AffectedImage(
                    image.digest, leader.rule_priority, leader.action, leader.target_storage_class
                )
                protected.append(_protected(affected, parents))
                continue
            follower = FollowingReferrer(
                image.digest,
                leader.digest,
                leader.rule_priority,
                leader.action,
                leader.target_storage_class,
            )
            followers.append(follower)
            leading.append(follower)
    return followers


class _TagMatcher:
    """Which of a policy's prefixes and patterns match an image's tags, as bits of one integer.

    A list of a rule asks that each of its entries match some tag, so the bits of all tags are
    joined and compared with the rule's. Prefixes, patterns ending in their only ``*`` and
    patterns without one are looked up; only others are tried one by one.
    """

    #: The bit of an image without tags.
    _NO_TAGS = 1

    def __init__(self) -> None:
        #: The bit of each entry, cut at its wildcards: ("v1.", "") stands for "v1.*".
        self._bits: dict[tuple[str, ...], int] = {}
        self._exact: dict[str, int] = {}
        self._prefixes: dict[str, int] = {}
        self._prefix_lengths: tuple[int, ...] = ()
        #: For each other entry its longest piece, head, tail, what is between, and its bit.
        self._patterns: list[tuple[str, str, str, tuple[str, ...], int]] = []

    def require(self, *, untagged: bool, prefixes: Sequence[str], patterns: Sequence[str]) -> int:
        """Return the bits that an image must bring for a rule to see it."""
        wanted = self._NO_TAGS if untagged else 0
        for pieces in (
            # A wildcard in a prefix is text: it matches no tag, since no tag may hold one.
            *((prefix, "") for prefix in prefixes),
            *(tuple(pattern.split("*")) for pattern in patterns),
        ):
            wanted |= self._bits.setdefault(pieces, 2 << len(self._bits))
        return wanted

    def freeze(self) -> None:
        """Make ready for :meth:`matches`, after the last :meth:`require`."""
        for pieces, bit in self._bits.items():
            if len(pieces) == 1:
                self._exact[pieces[0]] = bit
            elif len(pieces) == 2 and not pieces[1]:
                self._prefixes[pieces[0]] = bit
            else:
                middle = tuple(piece for piece in pieces[1:-1] if piece)
                longest = max(pieces, key=len)
                self._patterns.append((longest, pieces[0], pieces[-1], middle, bit))
        self._prefix_lengths = tuple(sorted({len(prefix) for prefix in self._prefixes}))

    def matches(self, tags: Sequence[str]) -> int:
        """Return the bits of all entries that match some of *tags*."""
        if not tags:
            return self._NO_TAGS
        found = 0
        for tag in tags:
            found |= self._exact.get(tag, 0)
            for length in self._prefix_lengths:
                found |= self._prefixes.get(tag[:length], 0)
            for longest, head, tail, middle, bit in self._patterns:
                # The first test is the quickest and fails for most.
                if (
                    longest in tag
                    and not found & bit
                    and tag.startswith(head)
                    and tag.endswith(tail)
                    and _in_order(middle, tag, len(head), len(tag) - len(tail))
                ):
                    found |= bit
        return found


def _in_order(pieces: Sequence[str], text: str, start: int, end: int) -> bool:
    """Tell whether *pieces* stand one after the other in ``text[start:end]``.

    The leftmost place of each is the best for those after it, so nothing is tried twice: the
    time grows with the text and the pieces alone.
    """
    for piece in pieces:
        start = text.find(piece, start, end)
        if start < 0:
            return False
        start += len(piece)
    return start <= end

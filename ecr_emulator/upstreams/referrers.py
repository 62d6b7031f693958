"""What refers to an image at an upstream registry.

Source: OCI distribution specification 1.1, "Listing Referrers" and "Unavailable Referrers API": a
registry without the API has an index by a tag made of the subject's digest.
"""

from __future__ import annotations

import json

from ecr_emulator.digests import is_digest
from ecr_emulator.upstreams.client import (
    Credentials,
    UpstreamClient,
    UpstreamMissing,
    UpstreamUnavailable,
)

#: More of an image's referrers are not cached.
MOST_REFERRERS = 100


def referrers_of(
    client: UpstreamClient, host: str, repository: str, subject: str, login: Credentials | None
) -> list[str]:
    """Return the digests of the manifests that refer to *subject*, :data:`MOST_REFERRERS` at most.

    :raises UpstreamError: the upstream does not tell.
    """
    try:
        body = client.referrers(host, repository, subject, login)
    except UpstreamMissing:
        tag = subject.replace(":", "-", 1)
        try:
            body = client.manifest(host, repository, tag, login).body
        except UpstreamMissing:
            return []
    try:
        listed = json.loads(body)["manifests"]
        digests = [item["digest"] for item in listed[:MOST_REFERRERS]]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise UpstreamUnavailable("what should list referrers is no index") from None
    return [digest for digest in digests if isinstance(digest, str) and is_digest(digest)]

"""What one emulator tells another beside what the OCI protocol has room for.

An image that is replicated is pushed by that protocol, and each of the requests says so.
"""

from __future__ import annotations

#: The region that the image comes from; its account is that of the registry token.
REPLICATES_FROM = "X-Ecr-Emulator-Replicates-From"
#: With a manifest that is no part of an index to come: the tag it was pushed with at its source,
#: maybe empty. The event of its arrival has it.
REPLICATED_TAG = "X-Ecr-Emulator-Replicated-Tag"
#: Why a request is refused, as replication statuses have it.
FAILURE_CODE = "X-Ecr-Emulator-Failure-Code"

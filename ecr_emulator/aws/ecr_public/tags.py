"""Resource tags of repositories: the operations are those of private registries."""

from __future__ import annotations

from ecr_emulator.aws.ecr import tags
from ecr_emulator.aws.ecr_public.operation import operation

operation("TagResource")(tags.tag_resource)
operation("UntagResource")(tags.untag_resource)
operation("ListTagsForResource")(tags.list_tags_for_resource)

"""Listings: the tags of a repository, the repositories of a registry.

Sources: OCI distribution specification, "Content Discovery". ECR departs from it (public
issue threads): pages of 100, ``last`` is opaque, more than 1,000 a page are refused, and the
tags come as plain text; ``--strict-ecr`` does so too.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import urlencode

from ecr_emulator.auth.page_tokens import InvalidPageToken
from ecr_emulator.oci.context import Context
from ecr_emulator.oci.errors import OciError
from ecr_emulator.oci.http import Response
from ecr_emulator.policy.data_plane import Call

_LARGEST_PAGE = 1000
_STRICT_PAGE = 100


def list_tags(context: Context) -> Response:
    """``GET /v2/<name>/tags/list``: tags in lexical order, a page at a time."""
    context.require(Call.LIST_TAGS)

    def page(last: str, limit: int) -> list[str]:
        return context.registry.images.tags(context.key, context.name, after=last, limit=limit)

    response = _page(context, f"{context.repository_path}/tags/list", "tags", page)
    if context.strict_ecr:
        response.headers[0] = ("Content-Type", "text/plain; charset=utf-8")
    return response


def list_repositories(context: Context) -> Response:
    """``GET /v2/_catalog``: names of repositories in lexical order, a page at a time."""
    context.require(Call.CATALOG)

    def page(last: str, limit: int) -> list[str]:
        found = context.registry.repositories.page(context.key, after=last, limit=limit)
        return [repository.name for repository in found]

    return _page(context, "/v2/_catalog", "repositories", page)


def _page(
    context: Context, path: str, member: str, fetch: Callable[[str, int], list[str]]
) -> Response:
    """Return one page of a listing, with the link to the next one."""
    bound_to = ("list", path, context.key.account, context.key.region)
    limit = _limit(context)
    last = context.request.query.get("last", "")
    if last and context.strict_ecr:
        try:
            last = context.services.page_tokens.open(bound_to, last)
        except InvalidPageToken:
            raise _refusal("NextToken", "Invalid next token provided") from None
    items = fetch(last, limit + 1)
    document: dict[str, object] = {"name": context.path_name} if context.name else {}
    document[member] = items[:limit]
    headers = [("Content-Type", "application/json")]
    if limit and len(items) > limit:
        position = items[limit - 1]
        if context.strict_ecr:
            position = context.services.page_tokens.seal(bound_to, position)
        following = urlencode({"n": limit, "last": position})
        headers.append(("Link", f'<{path}?{following}>; rel="next"'))
    return Response(200, headers, json.dumps(document).encode("utf-8"))


def _limit(context: Context) -> int:
    text = context.request.query.get("n")
    if text is None:
        return _STRICT_PAGE if context.strict_ecr else _LARGEST_PAGE
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise OciError(400, "PAGINATION_NUMBER_INVALID", "The number of results is not valid.")
    if int(text) > _LARGEST_PAGE and context.strict_ecr:
        constraint = f"Member must have value less than or equal to {_LARGEST_PAGE}"
        raise _refusal("maxResults", constraint)
    return min(int(text), _LARGEST_PAGE)


def _refusal(member: str, constraint: str) -> OciError:
    message = f"Invalid parameter at '{member}' failed to satisfy constraint: '{constraint}'"
    return OciError(405, "UNSUPPORTED", message)

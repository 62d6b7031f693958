"""Policy variables: ``${aws:username}``, ``${aws:PrincipalTag/team, 'none'}``, ``${*}``.

"IAM policy elements: Variables and tags" (IAM User Guide). They exist only in policies of
version 2012-10-17; in older ones the text stands for itself.
"""

from __future__ import annotations

import re

from .context import RequestContext
from .matching import Glob, Wildcard, glob

VERSION = "2012-10-17"

# A name holds no brace and no quote, so a search never reads a stretch of text twice.
_VARIABLE = re.compile(r"\$\{([^{}']*?)(?:, ?'([^']*)')?\}")
_SPECIAL = frozenset({"*", "?", "$"})


def expand_glob(text: str, context: RequestContext, *, version: str) -> Glob | None:
    """Read *text* as a wildcard pattern with its variables filled in.

    What a variable brings in is literal: a user named ``*`` matches only an asterisk.

    :returns: the pattern, or None when a variable has no value and no default. Such a text is
        equal to nothing and like nothing ("Policy variables with no value").
    """
    if version != VERSION or "${" not in text:
        return glob(text)
    parts: list[str | Wildcard] = []
    position = 0
    for match in _VARIABLE.finditer(text):
        parts.extend(glob(text[position : match.start()]))
        value = _value(match, context)
        if value is None:
            return None
        if value:
            parts.append(value)
        position = match.end()
    parts.extend(glob(text[position:]))
    return tuple(parts)


def expand_text(text: str, context: RequestContext, *, version: str) -> str | None:
    """Fill in the variables of *text*, in which ``*`` and ``?`` mean themselves.

    :returns: the text, or None when a variable has no value and no default.
    """
    if version != VERSION or "${" not in text:
        return text
    parts: list[str] = []
    position = 0
    for match in _VARIABLE.finditer(text):
        parts.append(text[position : match.start()])
        value = _value(match, context)
        if value is None:
            return None
        parts.append(value)
        position = match.end()
    parts.append(text[position:])
    return "".join(parts)


def expand_resource(text: str, context: RequestContext, *, version: str) -> Glob | None:
    """Read a ``Resource`` with its variables filled in; they count after the fifth colon only.

    :returns: the pattern, or None when a variable has no value and no default: it then matches
        no resource.
    """
    if version != VERSION or "${" not in text:
        return glob(text)
    colons = 0
    start = 0
    while colons < 5:
        start = text.find(":", start) + 1
        if start == 0:
            return glob(text)
        colons += 1
    rest = expand_glob(text[start:], context, version=version)
    if rest is None:
        return None
    return (*glob(text[:start]), *rest)


def _value(match: re.Match[str], context: RequestContext) -> str | None:
    name, default = match.group(1), match.group(2)
    if name in _SPECIAL and default is None:
        return name
    value = context.variable(name.strip())
    return default if value is None else value

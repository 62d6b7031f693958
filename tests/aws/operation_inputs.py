"""Inputs for every operation, made from its shapes over a prepared emulator.

:func:`inputs` makes what the model allows, of values that mean something in the emulator where a
member has such; :func:`nearly_valid` changes some of them into what they must not be.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from hypothesis import strategies as st

from tests.aws.strategies import described, values
from tests.support.app import ACCOUNT, REGION, STRANGER
from tests.support.prepared import (
    ELSEWHERE,
    KEY,
    LIFECYCLE,
    PRINCIPAL,
    SECRET,
    SIGNING_PROFILE,
    policy,
)

_JUNK_TEXT = st.text(max_size=8) | st.sampled_from(
    [
        *("", " ", "\0", "\n", "ä\u0301", "\U0001f433", "\ud800", "../../etc/passwd", "%2e%2e"),
        *("a" * 300, "x" * 12_000, "null", "None", "AAA=", "sha256:", "sha256:" + "f" * 64),
        *("ROOT", "*", "team/app", "v1", ACCOUNT),
    ]
)
_JUNK_NUMBER = st.integers(-(2**63), 2**63) | st.sampled_from([0, -1, 1, 2**31, 2**31 - 1, 10**30])
_JUNK = st.one_of(
    st.none(),
    st.booleans(),
    _JUNK_NUMBER,
    st.floats(),
    _JUNK_TEXT,
    st.sampled_from([[], {}, [[]], [{}]]),
    st.lists(st.integers() | st.text(max_size=3), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
#: What a value may be changed into and stay of its type.
_JUNK_LIKE: dict[type, st.SearchStrategy[Any]] = {str: _JUNK_TEXT, int: _JUNK_NUMBER}

_ACTIONS = [
    *("ecr:BatchGetImage", "ecr:*", "*", "ecr-public:PutImage", "ecr:ReplicateImage"),
    *("s3:GetObject", "ecr:NoSuchAction", "ecr:Describe*"),
]
_PRINCIPALS: list[Any] = [
    "*",
    {"AWS": ACCOUNT},
    {"AWS": [f"arn:aws:iam::{STRANGER}:root", "*"]},
    {"Service": "replication.ecr.amazonaws.com"},
    {"AWS": "nobody"},
]


@st.composite
def _policies(draw: st.DrawFn) -> str:
    """Policies of repositories and registries."""
    statement = policy(draw(st.sampled_from(_ACTIONS)))["Statement"][0]
    statement["Principal"] = draw(st.sampled_from(_PRINCIPALS))
    if draw(st.booleans()):
        statement["Resource"] = draw(
            st.sampled_from(["*", f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/*", "arn:aws:s3:::b"])
        )
    if draw(st.booleans()):
        key = draw(st.sampled_from(["aws:SourceIp", "ecr:ResourceTag/stage", "aws:CurrentTime"]))
        operator = draw(st.sampled_from(["StringLike", "IpAddress", "Null", "NoSuchOperator"]))
        statement["Condition"] = {operator: {key: draw(st.sampled_from(["a", "10.0.0.0/8", []]))}}
    version = draw(st.sampled_from(["2012-10-17", "2008-10-17"]))
    return draw(_texts_of({"Version": version, "Statement": [statement]}))


@st.composite
def _texts_of(draw: st.DrawFn, document: Any) -> str:
    """JSON texts of a document, as it is or spoiled."""
    if draw(st.integers(0, 2)) == 0:
        document = draw(_spoil(document))
    # Blanks bring the text to the length that lifecycle policies must have.
    return draw(st.sampled_from([" " * 100, ""])) + json.dumps(document)


@st.composite
def _lifecycle_policies(draw: st.DrawFn) -> str:
    rules = json.loads(json.dumps(LIFECYCLE))
    selection = rules["rules"][0]["selection"]
    selection["countType"] = draw(
        st.sampled_from(["sinceImagePushed", "sinceImagePulled", "sinceImageTransitioned"])
    )
    selection["countNumber"] = draw(st.sampled_from([1, 14, 90, 10**9, 2**31]))
    if draw(st.booleans()):
        selection["tagStatus"] = "tagged"
        lists = st.sampled_from(["tagPrefixList", "tagPatternList"])
        selection[draw(lists)] = draw(st.lists(st.sampled_from(["v", "v*", "*", "**", ""])))
    return draw(_texts_of(rules))


def _manifests(known: list[str]) -> st.SearchStrategy[str]:
    return st.sampled_from(known) | st.sampled_from(known).flatmap(
        lambda text: _texts_of(json.loads(text))
    )


#: Values for members of these names, if the shape allows them.
_MEANINGFUL: dict[str, list[Any]] = {
    "accountSettingName": ["BASIC_SCAN_TYPE_VERSION", "REGISTRY_POLICY_SCOPE", "BLOB_MOUNTING"],
    "value": ["AWS_NATIVE", "CLAIR", "V1", "V2", "ENABLED", "DISABLED"],
    "registryId": [ACCOUNT, STRANGER],
    "region": [REGION, ELSEWHERE],
    "prefix": ["ROOT", "team", "team/", "mirror"],
    "ecrRepositoryPrefix": ["mirror", "ROOT", "hub"],
    "upstreamRepositoryPrefix": ["ROOT", "library"],
    "upstreamRegistryUrl": [
        *("public.ecr.aws", "quay.io", "registry-1.docker.io", "registry.k8s.io", "ghcr.io"),
        *(
            f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com",
            f"{STRANGER}.dkr.ecr.eu-west-1.amazonaws.com",
        ),
        *("team.azurecr.io", "https://quay.io", "example.com"),
    ],
    "credentialArn": [SECRET],
    "customRoleArn": [f"arn:aws:iam::{ACCOUNT}:role/cache"],
    "principalArn": [PRINCIPAL, f"arn:aws:iam::{ACCOUNT}:user/someone"],
    "signingProfileArn": [SIGNING_PROFILE, SIGNING_PROFILE.replace(REGION, ELSEWHERE)],
    "kmsKey": [KEY, "alias/team", "", KEY.replace(REGION, ELSEWHERE)],
    "filter": ["team/*", "*", "v*", "team"],
    "Key": ["stage", "owner", "aws:reserved"],
    "tagKeys": ["stage", "owner", "aws:reserved"],
    "partFirstByte": [0, 10],
    "partLastByte": [9, 12, 19],
    "layerPartBlob": [b"\0" * 10, b"abc", b""],
    "maxResults": [1, 2, 50],
    "nextToken": [],
    "acceptedMediaTypes": ["application/vnd.oci.image.manifest.v1+json"],
    "imageManifestMediaType": [
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
    ],
    "operatingSystems": ["Linux", "Plan 9"],
    "architectures": ["x86-64", "ARM 64"],
    "artifactTypes": ["application/example.signature"],
}
#: Members that are texts in a language of their own.
_TEXTS = {
    "policyText": _policies(),
    "repositoryPolicy": _policies(),
    "lifecyclePolicyText": _lifecycle_policies(),
    "lifecyclePolicy": _lifecycle_policies(),
}
_UUID = "ffffffff-FFFF-0000-0000-000000000000"
#: Values at the edges of patterns, by shape: to make them from the pattern takes far longer.
_EDGES = {
    "RepositoryName": ["aa", "0.0", "a/b/c/d", "a" * 205, "a-b_c.d/e"],
    "RegistryId": ["000000000000", "999999999999"],
    "UploadId": [_UUID],
    "ReplicationBackfillId": [_UUID],
    "LayerDigest": ["a:0", "sha256:ABC", "sha512:" + "a" * 128, "-_+.:ff", "sha256:" + "0" * 64],
    "Prefix": ["a", "a/", "a/b/", "a" * 256],
    "PullThroughCacheRuleRepositoryPrefix": ["aa", "a/b", "aa/", "a" * 30],
    "ImageTagMutabilityExclusionFilterValue": ["*", "**", "***", "A.b_c-*", "x" * 128],
    "RepositoryFilterValue": ["aa", "a.", "a/b.", "a" * 256],
    "ScanningRepositoryFilterValue": ["*", "**", "*a*b*c*d*e*", "a/b", "a" * 255],
    "SigningRepositoryFilterValue": ["*", "a/*", "a" * 256],
    "Region": ["zz", "us-gov-west-1", "cn-north-1", "-" * 25],
    "CredentialArn": [SECRET.replace("aws", "aws-cn", 1), SECRET + "x" * 500],
    "PrincipalArn": [f"arn:aws-us-gov:iam::{STRANGER}:role/a/b", PRINCIPAL + "=,.@-"],
    "SigningProfileArn": ["arn:aws-cn:signer:x:000000000000:/signing-profiles/aa"],
    "KmsKeyForRepositoryCreationTemplate": ["", KEY],
}
#: Left out more often than not: with them an operation mostly refuses before it does anything.
_RARE = {"registryId", "nextToken", "imageDigest"}


def inputs(
    service: str, operation: str, known: Mapping[str, list[str]]
) -> st.SearchStrategy[dict[str, Any]]:
    """Return inputs of *operation* that the model allows.

    :param known: values that mean something, by member.
    """
    shape = described(service)["operations"][operation]["input"]["shape"]
    made: st.SearchStrategy[dict[str, Any]] = _values(service, shape, "", _frozen(known))
    return made


@st.composite
def nearly_valid(draw: st.DrawFn, valid: st.SearchStrategy[dict[str, Any]]) -> Any:
    """Inputs of which most are *valid* ones, and the others differ from such in a place or two."""
    value: Any = draw(valid)
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 1, 2]))):
        value = draw(_spoil(value))
    return value


def _frozen(known: Mapping[str, list[str]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((member, tuple(items)) for member, items in known.items())


@cache
def _values(
    service: str, name: str, member: str, known: tuple[tuple[str, tuple[str, ...]], ...]
) -> st.SearchStrategy[Any]:
    """Values of the shape *name* for the member *member*."""
    shape = described(service)["shapes"][name]
    kind = shape["type"]
    if kind == "structure":
        required = set(shape.get("required", ()))
        made = {
            inner: _values(service, reference["shape"], inner, known)
            for inner, reference in shape["members"].items()
        }
        return st.fixed_dictionaries(
            {inner: value for inner, value in made.items() if inner in required},
            optional={
                inner: st.one_of(st.just(_ABSENT), st.just(_ABSENT), value)
                if inner in _RARE
                else value
                for inner, value in made.items()
                if inner not in required
            },
        ).map(_without_absent)
    if kind == "list":
        least = shape.get("min", 0)
        items = _values(service, shape["member"]["shape"], member, known)
        return st.lists(items, min_size=least, max_size=max(least, 1) + 1)
    any_value = st.sampled_from(_EDGES[name]) if name in _EDGES else values(service, name)
    singular = {"repositoryNames": "repositoryName", "layerDigests": "layerDigest"}
    singular |= {"prefixes": "prefix", "ecrRepositoryPrefixes": "ecrRepositoryPrefix"}
    key = singular.get(member, member)
    if key == "imageManifest":
        return _manifests(list(dict(known)[key])) | any_value
    if key in _TEXTS:
        return _TEXTS[key] | any_value
    if name == "AccountSettingName":
        key = "accountSettingName"
    meaningful = [*dict(known).get(key, ()), *_MEANINGFUL.get(key, ())]
    if not meaningful or "enum" in shape:
        return any_value
    likely = st.sampled_from(meaningful)
    # Mostly what is there: a name that nothing has gets no further than a look-up.
    return st.one_of(likely, likely, likely, any_value)


_ABSENT = object()


def _without_absent(value: dict[str, Any]) -> dict[str, Any]:
    return {name: item for name, item in value.items() if item is not _ABSENT}


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _places(item, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _places(item, (*path, index))


@st.composite
def _spoil(draw: st.DrawFn, value: Any) -> Any:
    """Change *value* in one place: another value, a member less, one more, or many of an item."""
    places = list(_places(value))[:200]
    # The whole of it once in a while: what is no object at all gets no further than the parser.
    place = draw(st.sampled_from(places[1:] * 8 + places[:1]))
    how = draw(st.sampled_from(["another", "another", "less", "more", "many"]))
    there = _at(value, place)
    junk = _JUNK
    if draw(st.integers(0, 3)):
        junk = _JUNK_LIKE.get(type(there), _JUNK)
    return _changed(value, place, how, draw(junk))


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


def _changed(value: Any, path: tuple[Any, ...], how: str, junk: Any) -> Any:
    if not path:
        if how == "more" and isinstance(value, dict):
            return {**value, "noSuchMember": junk}
        if how == "many" and isinstance(value, list) and value:
            return [value[0]] * 120
        if how == "many" and isinstance(value, str) and value:
            return (value * 100)[:3000]
        return junk
    first, *rest = path
    copy = dict(value) if isinstance(value, dict) else list(value)
    if how == "less" and not rest:
        del copy[first]
    else:
        copy[first] = _changed(value[first], tuple(rest), how, junk)
    return copy

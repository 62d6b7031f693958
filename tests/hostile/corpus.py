"""What has hurt servers before, by the place that it is sent to.

Texts hold one byte a character, as they arrive. No claim of completeness: a request that ever
does harm gets its line here.
"""

from __future__ import annotations

import base64
import json

_DIGEST = "sha256:" + "0" * 64
_UUID = "12345678-1234-1234-1234-123456789012"

#: Ways out of a folder, and characters that mean something to somebody below.
PATHS = [
    "..",
    "../..",
    "../../outside/secret",
    "team/../../outside/secret",
    "team/app/../../../outside/secret",
    "/etc/passwd",
    "//etc/passwd",
    "./team/app",
    "team//app",
    "team/app/",
    "..\\..\\outside\\secret",
    "team\\app",
    "..;/outside",
    "....//....//outside/secret",
    "%2e%2e%2foutside%2fsecret",
    "..%c0%af..%c0%afoutside",
    "..\xc0\xafoutside",
    "team/app\0",
    "team/app\0.txt",
    "\0",
    "team/app\n",
    "team\r\nX-Injected: yes/app",
    "team/app\x7f",
    "~root",
    "C:\\Windows",
    "file:///etc/passwd",
    "CON",
    "*",
    "?",
    "team/%",
    "%s%s%s%n",
    "{0}",
    "${jndi:ldap://x/a}",
    "' OR '1'='1",
    "'; DROP TABLE repositories;--",
    "<script>alert(1)</script>",
    "TEAM/APP",
    "-team",
    "team-",
    "te..am",
    "te__.am",
    "caf\xe9",
    "caf\xc3\xa9",
    "\xef\xbb\xbfteam",
    "\xed\xa0\x80",
    "\xff\xfe",
    "a" * 257,
    "a/" * 200 + "a",
    "a-" * 400 + "!",
    "a" * 5000,
    "a._" * 300,
    "_catalog",
    "blobs/uploads",
    "manifests/v1/manifests",
]

DIGESTS = [
    "",
    "sha256:",
    ":",
    "sha256:" + "0" * 63,
    "sha256:" + "0" * 65,
    "sha256:" + "A" * 64,
    "SHA256:" + "0" * 64,
    "sha256:" + "g" * 64,
    "sha256:" + "0" * 64 + "\n",
    "sha256:" + "0" * 62 + "\0\0",
    "sha256:../../outside/secret",
    "sha256:" + "../" * 21 + "a",
    "sha512:" + "0" * 64,
    "md5:" + "0" * 32,
    "sha256+b64:AAAA",
    "sha256:" + "\u0661".encode().decode("latin-1") * 32,
    "0" * 64,
    "sha256:" + "0" * 100_000,
    "a:" * 5000,
]

TAGS = [
    "",
    ".",
    "..",
    "-v1",
    ".v1",
    "v1\n",
    "v1\0",
    "v 1",
    "v1/v2",
    "caf\xe9",
    "a" * 129,
    "a" * 100_000,
    "v1?x=1",
    "v1#x",
    "v1;x",
]

UPLOAD_IDS = [
    "..",
    "%2e%2e",
    "../../outside/secret",
    "..\\secret",
    _UUID + "\0",
    _UUID + "\n",
    _UUID + "/../../outside",
    "{" + _UUID + "}",
    "urn:uuid:" + _UUID,
    "-" * 36,
    "0" * 32,
    "g" * 36,
    "\xef\xbc\x90" * 12,
    "a" * 5000,
]

AUTHORIZATIONS = [
    " ",
    "Basic",
    "Basic ",
    "Basic =",
    "Basic Og==",
    "Basic QVdT",
    "Basic QVdTOg==",
    "Basic QVdTOg",
    "Basic  QVdTOng=",
    "Basic QVdTOng=\0",
    "Basic QVdTOng=, Basic QVdTOng=",
    "basic\tQVdTOng=",
    "Bearer",
    "Bearer x",
    "Bearer QVdTOng=",
    "Negotiate " + "A" * 4000,
    "Digest username=" + '"' * 100,
    "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host, Signature=0",
    "\xff\xfe",
    "Basic \xff\xfe",
    "Basic " + "A" * 100_000,
    "Basic " + "=" * 20_000,
    "A" * 250_000,
    "Basic " + base64.b64encode(b"AWS:" + b"\xff" * 100).decode(),
    "Basic " + base64.b64encode(b"AWS:" + b"{" * 9_000).decode(),
    "Basic " + base64.b64encode(b"\0:\0").decode(),
    "Basic " + base64.b64encode(b"AWS" + b":" * 5000).decode(),
    *(
        "Basic " + base64.b64encode(b"AWS:" + base64.b64encode(password)).decode()
        for password in [
            b"",
            b"{}",
            b"null",
            b'{"payload":"","datakey":"","version":"2","type":"DATA_KEY","expiration":1}',
            b'{"payload":"","datakey":"',
            b'{"payload":"' + b"A" * 6000 + b'","datakey":"',
            b'{"payload":' + b"[" * 5000,
            b'{"payload":"\xc3\xa9","datakey":"\xc3\xa9"}',
            b'{"payload":"e30=","datakey":"'
            + base64.b64encode(bytes(32))
            + b'","version":"2","type":"DATA_KEY","expiration":9999999999}',
        ]
    ),
]

#: What begins a signature's header, broken each in one place.
SIGNATURES = [
    "AWS4-HMAC-SHA256",
    "AWS4-HMAC-SHA256 " + "a=b, " * 1500,
    "AWS4-HMAC-SHA256 " + "," * 8000,
    "AWS4-HMAC-SHA256 Credential=",
    "AWS4-HMAC-SHA256 Credential=////, SignedHeaders=;;;;, Signature=\xff",
    "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/ecr/aws4_request,"
    " SignedHeaders=host;host;host, Signature=" + "0" * 64,
    "AWS4-HMAC-SHA256 Credential=test/20260101/" + "a-" * 2000 + "1/ecr/aws4_request,"
    " SignedHeaders=host, Signature=" + "0" * 64,
    "AWS4-HMAC-SHA256 Credential=" + "/" * 5000 + ", SignedHeaders=host, Signature=0",
    "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/ecr/aws4_request, SignedHeaders="
    + ";".join(f"x-{n}" for n in range(900))
    + ", Signature=0",
    "AWS4-ECDSA-P256-SHA256 Credential=a/b/c/d/e, SignedHeaders=host, Signature=0",
    "AWS4-HMAC-SHA256 Credential=\0/\0/\0/\0/\0, SignedHeaders=\0, Signature=\0",
    "AWS4-HMAC-SHA256 Credential=ASIA" + "A" * 4000 + "/20260101/us-east-1/ecr/aws4_request,"
    " SignedHeaders=host, Signature=0",
]

HOSTS = [
    "",
    " ",
    ":",
    ":4566",
    "localhost:",
    "localhost:99999999",
    "localhost:4566:4566",
    "localhost:4566, evil.example",
    "localhost/evil",
    "localhost#evil",
    "user:pw@localhost",
    "[::1",
    "[" + ":" * 200 + "]",
    "evil.example\r\nX-Injected: yes",
    "evil.example\nX-Injected: yes",
    'evil.example"',
    "evil\0example",
    "caf\xe9.example",
    "\xff",
    "a" * 255 + ".example",
    "a." * 10_000,
    "000000000000.dkr.ecr..localhost",
    "000000000000.dkr.ecr." + "a" * 26 + ".localhost",
    "000000000000.dkr.ecr.us-east-1." + "a" * 10_000,
    "0" * 13 + ".dkr.ecr.us-east-1.localhost",
    "\xd9\xa1" * 12 + ".dkr.ecr.us-east-1.localhost",
    "123456789012.dkr.ecr.public.localhost",
    "public.ecr.",
    "public.ecr." + '"\\' * 50,
    "public.ecr.aws\r\nX: y",
    "api.ecr." + "a-" * 500 + "amazonaws.com",
    "api.ecr.us-east-1.",
    "{account}.{region}",
    "%s%n",
]

QUERIES = [
    "&" * 10_000,
    "=" * 10_000,
    "n",
    "n=",
    "n=-1",
    "n=1e9",
    "n=" + "9" * 5000,
    "n=\xd9\xa1",
    "n=%D9%A1",
    "n=0x10",
    "n=1;n=2",
    "n=%00",
    "n=%",
    "n=%zz",
    "last=" + "a" * 100_000,
    "last=%00",
    "last=%ff%fe",
    "last=%ed%a0%80",
    "last='%20OR%201=1--",
    "&".join(f"a{n}=b" for n in range(2_000)),
    "n=1&" * 5_000,
    "digest=sha256%3A..%2F..%2Foutside%2Fsecret",
    "mount=..&from=..",
    "mount=" + _DIGEST + "&from=..%2F..%2Foutside",
    "mount=" + _DIGEST + "&from=%00",
    "artifactType=" + "%00" * 1000,
    "artifactType=" + "a" * 100_000,
    "\xff\xfe=\xff",
]

#: Values of headers that the doors read as numbers, ranges, dates, types.
HEADERS: list[dict[str, str]] = [
    {"Range": value}
    for value in [
        "bytes=",
        "bytes=-",
        "bytes=-0",
        "bytes=0-" + "9" * 5000,
        "bytes=" + "9" * 19 + "-",
        "bytes=5-1",
        "bytes=0-0," * 3000,
        "bytes=\xd9\xa1-",
        "BYTES=0-0",
        "items=0-1",
        "bytes=--1",
        "bytes=1-\0",
    ]
]
HEADERS += [
    {"Content-Range": value}
    for value in [
        "0--1",
        "5-1",
        "9" * 5000 + "-" + "9" * 5000,
        "bytes 0-1/0",
        "bytes 0-" + "9" * 19 + "/*",
        "0-1/" + "9" * 100,
        "\xd9\xa1-2",
        "-",
    ]
]
HEADERS += [
    {"Content-Length": value}
    for value in [
        "-1",
        "+1",
        "1.0",
        "0x10",
        "1e3",
        "9" * 19,
        "9" * 5000,
        "\xd9\xa1",
        "1,1",
        "1 1",
        "\0",
    ]
]
HEADERS += [
    {"If-None-Match": '"' * 20_000},
    {"If-None-Match": "," * 100_000},
    {"Content-Type": "\0"},
    {"Content-Type": ";" * 100_000},
    {"Content-Type": "application/" + "a" * 100_000},
    {"Content-Type": "\xff\xfe"},
    {"Accept": "*/*," * 20_000},
    {"User-Agent": "\xff" * 10_000},
    {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "evil.example"},
    {"Transfer-Encoding": "chunked", "Content-Length": "3"},
    {"X-Amz-Date": "\0"},
    {"X-Amz-Date": "99999999T999999Z"},
    {"X-Amz-Date": "\xd9\xa1" * 8},
    {"X-Amz-Security-Token": "A" * 100_000},
    {"X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD"},
    {"X-Amz-Target": "A" * 100_000},
    {"X-Amz-Target": "AmazonEC2ContainerRegistry_V20150921." + "__class__"},
    {"X-Amz-Target": "."},
    {"X-Amz-Target": "\0"},
]

#: Bodies of API calls. None is a good input of any operation.
BODIES = [
    b"",
    b"\0",
    b"\xff\xfe\0",
    b"\xef\xbb\xbf{}",
    "{}".encode("utf-16"),
    b"[]",
    b"null",
    b"1",
    b'"a"',
    b"{",
    b"{}{}",
    b"{} x",
    b"{'a':1}",
    b'{"a":1,}',
    b'{"a":1,"a":2}',
    b'{"repositoryName":NaN}',
    b'{"repositoryName":-Infinity}',
    b'{"repositoryName":1' + b"0" * 100_000 + b"}",
    b'{"repositoryName":1e' + b"9" * 2_000 + b"}",
    b'{"repositoryName":"\\ud800"}',
    b'{"repositoryName":"\\u0000"}',
    b'{"repositoryName":"' + b"a-" * 50_000 + b'!"}',
    b'{"repositoryName":["a"]}',
    b'{"repositoryName":{"a":1}}',
    b'{"repositoryName":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    b'{"a":[' + b"0," * 300_000 + b"0]}",
    b'{"a":"' + b"\\u0000" * 100_000 + b'"}',
    b'{"' + b"a" * 1_000_000 + b'":1}',
    b'{"__proto__":{},"constructor":{},"__class__":{}}',
    json.dumps({f"k{n}": n for n in range(50_000)}).encode(),
]

_STATEMENT = {"Effect": "Allow", "Principal": "*", "Action": "ecr:*"}


def _policy(**members: object) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{**_STATEMENT, **members}]})


#: Texts that are no repository policy; none of them may be stored.
POLICIES = [
    " ",
    "null",
    "[]",
    "{}",
    '{"Statement":[]}',
    '{"Statement":' + "[" * 5_000 + "]" * 5_000 + "}",
    _policy(Action=[]),
    _policy(Action={"a": 1}),
    _policy(Effect="allow"),
    _policy(Principal={"AWS": ["\0"]}),
    _policy(Principal={"AWS": {"a": "b"}}),
    _policy(Principal={"Nobody": "*"}),
    _policy(Condition=[]),
    _policy(Condition={"StringLike": "*"}),
    _policy(Condition={"NoSuchOperator": {"a": "b"}}),
    _policy(Sid="\0"),
    _policy(Unknown=1),
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Effect":"Deny"}]}',
    "\ufeff" + _policy(),
    _policy() + "x",
    _policy(Sid="a" * 200_000),
]

#: Bodies that are no manifest of any kind.
MANIFESTS = [
    b"",
    b"\0",
    b"null",
    b"[]",
    b"1",
    b"{",
    b'{"schemaVersion":2',
    b"\xef\xbb\xbf{}",
    b"[" * 100_000,
    b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    b'{"schemaVersion":' + b"9" * 100_000 + b"}",
    *(
        json.dumps(document).encode()
        for document in [
            {},
            {"schemaVersion": 2, "config": None, "layers": None},
            {"schemaVersion": 2, "config": [], "layers": {}},
            {"schemaVersion": 2, "config": {"digest": "../../x"}, "layers": []},
            {"schemaVersion": 2, "config": {"digest": _DIGEST, "size": "1"}, "layers": []},
            {"schemaVersion": 2, "config": {"digest": _DIGEST, "size": -1}, "layers": []},
            {"schemaVersion": 2, "config": {"digest": _DIGEST, "size": 1e300}, "layers": []},
            {"schemaVersion": 2, "config": {"digest": _DIGEST, "size": True}, "layers": [[]]},
            {"schemaVersion": 2, "manifests": "many"},
            {"schemaVersion": 2, "manifests": [None] * 1000},
            {"schemaVersion": 2, "manifests": [{"digest": _DIGEST}], "subject": "x"},
            {"schemaVersion": 2, "mediaType": "\0", "config": {}, "layers": []},
            {"schemaVersion": 1, "fsLayers": [{"blobSum": "../.."}], "history": 7},
            {"schemaVersion": "2", "layers": [{"digest": ["a"]}]},
            {"schemaVersion": 2, "annotations": {"a": {"b": "c"}}, "config": {}, "layers": []},
        ]
    ),
]

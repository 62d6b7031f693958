"""Requests signed by botocore are taken, changed ones refused, each with AWS's code and text."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from urllib.parse import quote

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ecr_emulator.auth.credentials import (
    AccessKey,
    ChainedCredentials,
    KnownCredentials,
    PermissiveCredentials,
    TemporaryCredentials,
)
from ecr_emulator.auth.principals import Principal, root_principal
from ecr_emulator.auth.sigv4 import (
    Authenticated,
    AuthenticationFailure,
    SignatureVerifier,
    SignedRequest,
)
from ecr_emulator.clock import SettableClock

from .signing import JSON_HEADERS, NOW, URL, clock, signed

SECRET = b"an installation's secret"
ANN = Principal("123456789012", "arn:aws:iam::123456789012:user/ann", "AIDAANN")

MISMATCH = (
    "InvalidSignatureException",
    "The request signature we calculated does not match the signature you provided. "
    "Check your AWS Secret Access Key and signing method. "
    "Consult the service documentation for details.",
)
UNRECOGNIZED = (
    "UnrecognizedClientException",
    "The security token included in the request is invalid.",
)
LACKS_ALL = (
    "Authorization header requires 'Credential' parameter. "
    "Authorization header requires 'Signature' parameter. "
    "Authorization header requires 'SignedHeaders' parameter."
)
LACKS_DATE = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."


def verifier(time: SettableClock | None = None) -> SignatureVerifier:
    time = time or clock()
    return SignatureVerifier(
        ChainedCredentials(KnownCredentials(), TemporaryCredentials(SECRET, time)), time
    )


def failure(
    request: SignedRequest, services: tuple[str, ...] = ("ecr",), time: SettableClock | None = None
) -> tuple[str, str]:
    with pytest.raises(AuthenticationFailure) as caught:
        verifier(time).verify(request, services)
    return caught.value.code, caught.value.message


def with_headers(request: SignedRequest, **changes: str | None) -> SignedRequest:
    """Return *request* with headers set or (None) left out; ``_`` stands for ``-``."""
    headers = dict(request.headers)
    for name, value in changes.items():
        headers.pop(name.replace("_", "-"), None)
        if value is not None:
            headers[name.replace("_", "-")] = value
    return replace(request, headers=headers)


def with_scope(old: str, new: str) -> SignedRequest:
    request = signed()
    return with_headers(request, authorization=request.headers["authorization"].replace(old, new))


# --- what botocore signs is taken ------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "secret", "account"),
    [
        ("test", "test", "000000000000"),
        ("testing", "testing", "123456789012"),
        ("210987654321", "test", "210987654321"),
    ],
)
@pytest.mark.parametrize("presign", [None, 60])
@pytest.mark.parametrize("service", ["ecr", "ecr-public", "sts"])
def test_known_keys_in_both_forms(
    key: str, secret: str, account: str, presign: int | None, service: str
) -> None:
    request = signed(key=key, secret=secret, service=service, presign=presign)
    assert verifier().verify(request, ("ecr", "ecr-public", "sts")) == Authenticated(
        root_principal(account), key, "eu-west-1", service, None
    )


@pytest.mark.parametrize("presign", [None, 60])
def test_a_tolerated_token_is_signed_and_dropped(presign: int | None) -> None:
    request = signed(token="test", presign=presign)
    assert verifier().verify(request, ["ecr"]).session_token is None


@pytest.mark.parametrize("presign", [None, 60])
def test_temporary_credentials(presign: int | None) -> None:
    minted = TemporaryCredentials(SECRET, clock()).mint(ANN, timedelta(hours=1))
    request = signed(
        key=minted.access_key_id,
        secret=minted.secret,
        token=minted.session_token,
        presign=presign,
    )
    assert verifier().verify(request, ["ecr"]) == Authenticated(
        ANN, minted.access_key_id, "eu-west-1", "ecr", minted.session_token
    )


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:4566",
        "http://[::1]:4566/",
        "https://api.ecr.eu-west-1.amazonaws.com/",
        URL + "?Action=GetCallerIdentity&Version=2011-06-15",
        URL + "?b=2&a=2&a=1&a=10&A=3",
        URL + "?key=%2F%20%3D%26%25&empty=&%C3%A9=%E2%82%AC",
        URL + "a%20b/%C3%A9/~c.d_e-f",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_urls(url: str, method: str) -> None:
    request = signed(url=url, method=method, body=b"" if method == "GET" else b"{}")
    if not request.path:
        request = replace(request, path="/")  # what every HTTP client sends
    verifier().verify(request, ["ecr"])


@pytest.mark.parametrize(
    "region",
    [
        "us-east-1",
        "us-gov-west-1",
        "cn-northwest-1",
        "us-isob-east-1",
        "ap-southeast-7",
        "mx-central-1",
    ],
)
def test_regions(region: str) -> None:
    assert verifier().verify(signed(region=region), ["ecr"]).region == region


def test_headers_are_trimmed_and_blanks_inside_them_count_once() -> None:
    request = signed(headers={**JSON_HEADERS, "X-Other": "  a   b  c "})
    verifier().verify(request, ["ecr"])
    verifier().verify(with_headers(request, x_other="a b c"), ["ecr"])


def test_a_declared_payload_hash_that_is_right() -> None:
    digest = hashlib.sha256(b"{}").hexdigest()
    request = signed(headers={**JSON_HEADERS, "X-Amz-Content-SHA256": digest})
    verifier().verify(request, ["ecr"])


@pytest.mark.parametrize(
    "date",
    [
        "Sun, 01 Mar 2026 12:00:00 GMT",
        "Sun, 01 Mar 2026 12:00:00 +0000",
        "Sun, 01 Mar 2026 12:00:00 -0000",
        "20260301T120000Z",
    ],
)
def test_the_date_header_serves_when_there_is_no_other(date: str) -> None:
    verifier().verify(signed_by_hand(date), ["ecr"])


def test_the_date_header_that_botocore_writes() -> None:
    request = signed(headers={**JSON_HEADERS, "Date": "to be replaced"})
    assert "x-amz-date" not in request.headers
    verifier().verify(request, ["ecr"])


def signed_by_hand(date: str) -> SignedRequest:
    """Return a request with only a ``Date`` header, signed by the published algorithm."""
    headers = {"host": "localhost", "date": date}
    canonical = (
        f"POST\n/\n\ndate:{date}\nhost:localhost\n\ndate;host\n" + hashlib.sha256(b"{}").hexdigest()
    )
    scope = "20260301/eu-west-1/ecr/aws4_request"
    to_sign = (
        f"AWS4-HMAC-SHA256\n20260301T120000Z\n{scope}\n"
        + hashlib.sha256(canonical.encode()).hexdigest()
    )
    key = b"AWS4test"
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), "sha256").digest()
    signature = hmac.new(key, to_sign.encode(), "sha256").hexdigest()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential=test/{scope},SignedHeaders=date;host,Signature={signature}"
    )
    return SignedRequest("POST", "/", "", headers, b"{}")


# --- AWS's published examples ----------------------------------------------------------------

EXAMPLE_SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
EXAMPLE_SUITE = "example.amazonaws.com"


@pytest.mark.parametrize(
    ("method", "host", "query", "headers", "body", "service", "signature"),
    [
        pytest.param(
            "GET",
            "iam.amazonaws.com",
            "Action=ListUsers&Version=2010-05-08",
            {"content-type": "application/x-www-form-urlencoded; charset=utf-8"},
            b"",
            "iam",
            "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
            id="IAM User Guide, ListUsers",
        ),
        pytest.param(
            "GET",
            EXAMPLE_SUITE,
            "",
            {},
            b"",
            "service",
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            id="get-vanilla",
        ),
        pytest.param(
            "POST",
            EXAMPLE_SUITE,
            "",
            {},
            b"",
            "service",
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            id="post-vanilla",
        ),
        pytest.param(
            "GET",
            EXAMPLE_SUITE,
            "Param2=value2&Param1=value1",
            {},
            b"",
            "service",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            id="get-vanilla-query-order-key-case",
        ),
        pytest.param(
            "POST",
            EXAMPLE_SUITE,
            "",
            {"content-type": "application/x-www-form-urlencoded"},
            b"Param1=value1",
            "service",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            id="post-x-www-form-urlencoded",
        ),
        pytest.param(
            "GET",
            EXAMPLE_SUITE,
            "",
            {"my-header1": " value1", "my-header2": ' "a   b   c"'},
            b"",
            "service",
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
            id="get-header-value-trim",
        ),
    ],
)
def test_published_examples(
    method: str,
    host: str,
    query: str,
    headers: dict[str, str],
    body: bytes,
    service: str,
    signature: str,
) -> None:
    all_headers = {**headers, "host": host, "x-amz-date": "20150830T123600Z"}
    names = ";".join(sorted(all_headers))
    all_headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/{service}/aws4_request, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    source = KnownCredentials({"AKIDEXAMPLE": AccessKey("AKIDEXAMPLE", EXAMPLE_SECRET, ANN)})
    time = SettableClock(datetime(2015, 8, 30, 12, 36, tzinfo=timezone.utc))
    request = SignedRequest(method, "/", query, all_headers, body)
    caller = SignatureVerifier(source, time).verify(request, [service])
    assert caller.principal == ANN


# --- each refusal ----------------------------------------------------------------------------


@pytest.mark.parametrize("authorization", [None, ""])
def test_no_signature(authorization: str | None) -> None:
    expected = ("MissingAuthenticationTokenException", "Missing Authentication Token")
    request = with_headers(signed(), authorization=authorization)
    assert failure(request) == expected
    assert failure(replace(request, query_string="Action=Foo&X-Amz-Other=1")) == expected


@pytest.mark.parametrize("presign", [None, 60])
def test_unknown_key(presign: int | None) -> None:
    assert failure(signed(key="AKIAIOSFODNN7EXAMPLE", presign=presign)) == UNRECOGNIZED


@pytest.mark.parametrize("presign", [None, 60])
def test_bad_session_token(presign: int | None) -> None:
    assert failure(signed(token="other", presign=presign)) == UNRECOGNIZED


def test_session_token_of_another_installation() -> None:
    minted = TemporaryCredentials(b"another secret", clock()).mint(ANN, timedelta(hours=1))
    request = signed(key=minted.access_key_id, secret=minted.secret, token=minted.session_token)
    assert failure(request) == UNRECOGNIZED


@pytest.mark.parametrize("presign", [None, 60])
def test_expired_session_token(presign: int | None) -> None:
    minted = TemporaryCredentials(SECRET, clock()).mint(ANN, timedelta(minutes=15))
    later = NOW + timedelta(minutes=15)
    request = signed(
        key=minted.access_key_id,
        secret=minted.secret,
        token=minted.session_token,
        at=later,
        presign=presign,
    )
    assert failure(request, time=SettableClock(later)) == (
        "ExpiredTokenException",
        "The security token included in the request is expired",
    )


@pytest.mark.parametrize("presign", [None, 60])
def test_wrong_secret(presign: int | None) -> None:
    assert failure(signed(secret="other", presign=presign)) == MISMATCH


@pytest.mark.parametrize("presign", [None, 60])
@pytest.mark.parametrize(
    "region", ["", "local", "us_east_1", "US-EAST-1", "us-east", "a" * 30 + "-b-1", "us-east-1\n"]
)
def test_wrong_region(region: str, presign: int | None) -> None:
    request = (
        with_scope("eu-west-1", region)
        if presign is None
        else signed(region=region, presign=presign)
    )
    expected = "Credential should be scoped to a valid region."
    if presign is None and region.endswith("\n"):
        # A blank ends the parameter in a header.
        assert failure(request)[0] == "IncompleteSignatureException"
    else:
        assert failure(request) == ("InvalidSignatureException", expected)


@pytest.mark.parametrize("presign", [None, 60])
def test_wrong_service(presign: int | None) -> None:
    assert failure(signed(service="s3", presign=presign)) == (
        "InvalidSignatureException",
        "Credential should be scoped to correct service: 'ecr'.",
    )


def test_wrong_region_service_and_terminator_at_once() -> None:
    assert failure(with_scope("eu-west-1/ecr/aws4_request", "local/s3/aws4")) == (
        "InvalidSignatureException",
        "Credential should be scoped to a valid region. "
        "Credential should be scoped to correct service: 'ecr'. "
        "Credential should be scoped with a valid terminator: 'aws4_request', not 'aws4'.",
    )


def test_scope_of_another_day() -> None:
    assert failure(with_scope("/20260301/", "/20260228/")) == (
        "InvalidSignatureException",
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from "
        "HTTP: '20260228' != '20260301', from '20260301T120000Z'.",
    )


@pytest.mark.parametrize("count", [1, 4, 6])
def test_credential_without_its_five_elements(count: int) -> None:
    credential = "/".join(["test", "20260301", "eu-west-1", "ecr", "aws4_request", "x"][:count])
    request = with_scope("test/20260301/eu-west-1/ecr/aws4_request", credential)
    assert failure(request) == (
        "IncompleteSignatureException",
        "Credential must have exactly 5 slash-delimited elements, e.g. "
        f"keyid/date/region/service/term, got '{credential}'",
    )


def test_header_without_anything() -> None:
    header = "AWS4-HMAC-SHA256"
    request = SignedRequest("POST", "/", "", {"host": "h", "authorization": header}, b"")
    assert failure(request) == (
        "IncompleteSignatureException",
        f"{LACKS_ALL} {LACKS_DATE} Authorization={header}",
    )


@pytest.mark.parametrize("missing", ["Credential", "Signature", "SignedHeaders"])
def test_header_without_one_parameter(missing: str) -> None:
    header = signed().headers["authorization"].replace(f"{missing}=", "Other=")
    assert failure(with_headers(signed(), authorization=header)) == (
        "IncompleteSignatureException",
        f"Authorization header requires '{missing}' parameter. Authorization={header}",
    )


def test_no_date() -> None:
    request = with_headers(signed(), x_amz_date=None)
    assert failure(request) == (
        "IncompleteSignatureException",
        f"{LACKS_DATE} Authorization={request.headers['authorization']}",
    )


@pytest.mark.parametrize("repeated", ["Credential", "Signature", "SignedHeaders"])
def test_parameter_given_twice(repeated: str) -> None:
    header = f"{signed().headers['authorization']}, {repeated}=x"
    assert failure(with_headers(signed(), authorization=header)) == (
        "IncompleteSignatureException",
        f"Authorization header requires only one '{repeated}' parameter. Authorization={header}",
    )


def test_part_without_an_equal_sign() -> None:
    header = signed().headers["authorization"].replace("Credential=", "Credential= ")
    assert failure(with_headers(signed(), authorization=header)) == (
        "IncompleteSignatureException",
        "'test/20260301/eu-west-1/ecr/aws4_request' not a valid key=value pair "
        f"(missing equal-sign) in Authorization header: '{header}'.",
    )


def test_headers_of_other_schemes_are_not_echoed() -> None:
    def hashed(text: str) -> str:
        return b64encode(hashlib.sha256(text.encode()).digest()).decode()

    bearer, basic = "Bearer eyJhbGciOi", "Basic QVdTOnNlY3JldA=="
    assert failure(with_headers(signed(), authorization=bearer)) == (
        "IncompleteSignatureException",
        "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with "
        f"SHA-256 and encoded with Base64): '{hashed(bearer)}'.",
    )
    assert failure(with_headers(signed(), authorization=basic)) == (
        "IncompleteSignatureException",
        f"{LACKS_ALL} (Hashed with SHA-256 and encoded with Base64) Authorization={hashed(basic)}",
    )


def test_echoes_are_short_and_printable() -> None:
    header = "AWS4-HMAC-SHA256 Credential=" + "\x1b" * 5000
    _, message = failure(with_headers(signed(), authorization=header))
    assert len(message) < 2000
    assert "\x1b" not in message


def test_another_algorithm() -> None:
    assert failure(with_scope("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256")) == (
        "IncompleteSignatureException",
        "Unsupported AWS 'algorithm': 'AWS4-ECDSA-P256-SHA256'.",
    )


@pytest.mark.parametrize(
    "date",
    [
        "2026-03-01T12:00:00Z",
        "20260301T120000",
        "20260301 120000Z",
        "20261301T120000Z",
        "20260230T120000Z",
        "00000101T000000Z",
        "20260301T1200²0Z",
        "20260301T1200 0Z",
        "+2026301T120000Z",
        "Sun, 01 Mar 2026 12:00:00 PST",
        "Sun, 01 Foo 2026 12:00:00 GMT",
        "9" * 5000,
    ],
)
def test_malformed_date(date: str) -> None:
    code, message = failure(with_headers(signed(), x_amz_date=date))
    assert code == "IncompleteSignatureException"
    assert message == (
        f"Date must be in ISO-8601 'basic format'. Got '{date[:1024]}'. "
        "See http://en.wikipedia.org/wiki/ISO_8601"
    )


def test_host_must_be_signed() -> None:
    assert failure(with_scope(";host;", ";")) == (
        "InvalidSignatureException",
        "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
    )


def test_every_x_amz_header_must_be_signed() -> None:
    request = with_headers(signed(), x_amz_user_agent="a", x_amz_meta="b", x_amzn_trace_id="c")
    assert failure(request) == (
        "InvalidSignatureException",
        "'X-Amz-Meta' must be a 'SignedHeader' in the AWS Authorization. "
        "'X-Amz-User-Agent' must be a 'SignedHeader' in the AWS Authorization.",
    )
    # The load balancers' header begins alike, and comes on the way.
    verifier().verify(with_headers(signed(), x_amzn_trace_id="c", user_agent="d"), ["ecr"])


@pytest.mark.parametrize("names", ["host;x-gone", "host;host", "host;", "Host;host", "host;x;\xe9"])
def test_signed_headers_that_did_not_come(names: str) -> None:
    request = signed(headers={})
    header = request.headers["authorization"].replace("host;x-amz-date", f"{names};x-amz-date")
    assert failure(with_headers(request, authorization=header)) == MISMATCH


@pytest.mark.parametrize("declared", ["UNSIGNED-PAYLOAD", "", "0" * 64])
def test_a_declared_payload_hash_that_is_wrong(declared: str) -> None:
    request = signed(headers={**JSON_HEADERS, "X-Amz-Content-SHA256": declared})
    assert failure(request) == MISMATCH


@pytest.mark.parametrize("text", ["\u20ac", "\ud800"])
def test_characters_that_no_wire_carries(text: str) -> None:
    request = signed()
    assert failure(replace(request, path=f"/{text}")) == MISMATCH
    assert failure(replace(request, query_string=f"a={text}")) == MISMATCH
    assert failure(replace(request, method=text)) == MISMATCH
    assert failure(with_headers(request, content_type=text)) == MISMATCH
    header = request.headers["authorization"][:-1] + text
    assert failure(with_headers(request, authorization=header)) == MISMATCH


# --- time ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [-300, -299, 0, 299, 300])
@pytest.mark.parametrize("fraction", [timedelta(0), timedelta(microseconds=999_999)])
def test_five_minutes_either_way_are_taken(seconds: int, fraction: timedelta) -> None:
    time = SettableClock(NOW + timedelta(seconds=seconds) + fraction)
    verifier(time).verify(signed(), ["ecr"])


def test_a_second_more_in_the_past() -> None:
    assert failure(signed(), time=SettableClock(NOW + timedelta(seconds=301))) == (
        "InvalidSignatureException",
        "Signature expired: 20260301T120000Z is now earlier than 20260301T120001Z "
        "(20260301T120501Z - 5 min.)",
    )


@pytest.mark.parametrize("presign", [None, 60])
def test_a_second_more_in_the_future(presign: int | None) -> None:
    assert failure(signed(presign=presign), time=SettableClock(NOW - timedelta(seconds=301))) == (
        "InvalidSignatureException",
        "Signature not yet current: 20260301T120000Z is still later than 20260301T115959Z "
        "(20260301T115459Z + 5 min.)",
    )


def test_over_midnight() -> None:
    at = datetime(2026, 2, 28, 23, 58, tzinfo=timezone.utc)
    time = SettableClock(datetime(2026, 3, 1, 0, 2, tzinfo=timezone.utc))
    verifier(time).verify(signed(at=at), ["ecr"])


@pytest.mark.parametrize(
    ("expires", "span"), [(1, "1 sec."), (60, "1 min."), (90, "90 sec."), (604800, "10080 min.")]
)
def test_presigned_requests_last_as_long_as_they_say(expires: int, span: str) -> None:
    time = SettableClock(NOW + timedelta(seconds=expires))
    request = signed(presign=expires)
    verifier(time).verify(request, ["ecr"])
    time.advance(timedelta(seconds=1))
    code, message = failure(request, time=time)
    assert code == "InvalidSignatureException"
    assert message.startswith(
        "Signature expired: 20260301T120000Z is now earlier than 20260301T120001Z ("
    )
    assert message.endswith(f"Z - {span})")


@pytest.mark.parametrize("year", [1, 9999])
def test_dates_at_the_ends_of_time(year: int) -> None:
    request = signed(presign=604800)
    query = request.query_string.replace("20260301", f"{year:04}1231")
    code, message = failure(replace(request, query_string=query))
    assert code == "InvalidSignatureException"
    assert message.startswith("Signature expired" if year == 1 else "Signature not yet current")


# --- the query form's own --------------------------------------------------------------------


def with_query(old: str, new: str) -> SignedRequest:
    request = signed(presign=60)
    assert old in request.query_string
    return replace(request, query_string=request.query_string.replace(old, new))


@pytest.mark.parametrize(
    "name",
    [
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Date",
        "X-Amz-Expires",
        "X-Amz-SignedHeaders",
        "X-Amz-Signature",
    ],
)
def test_query_without_or_with_two_of_a_parameter(name: str) -> None:
    assert failure(with_query(f"{name}=", "Other=")) == (
        "IncompleteSignatureException",
        f"AWS query-string parameters must include '{name}'. "
        "Re-examine the query-string parameters.",
    )
    assert failure(with_query(f"{name}=", f"{name}=1&{name}=")) == (
        "IncompleteSignatureException",
        f"AWS query-string parameters must include only one '{name}'. "
        "Re-examine the query-string parameters.",
    )


@pytest.mark.parametrize(
    ("expires", "text"),
    [
        ("x", "X-Amz-Expires should be a number"),
        ("-1", "X-Amz-Expires should be a number"),
        ("%C2%B2", "X-Amz-Expires should be a number"),
        (
            "604801",
            "X-Amz-Expires must be less than a week (in seconds); that is, the given "
            "X-Amz-Expires must be less than 604800 seconds",
        ),
        (
            "9" * 10_000,
            "X-Amz-Expires must be less than a week (in seconds); that is, the given "
            "X-Amz-Expires must be less than 604800 seconds",
        ),
    ],
)
def test_malformed_expires(expires: str, text: str) -> None:
    assert failure(with_query("X-Amz-Expires=60", f"X-Amz-Expires={expires}")) == (
        "IncompleteSignatureException",
        text,
    )


def test_another_algorithm_in_the_query() -> None:
    assert failure(with_query("HMAC-SHA256", "HMAC-MD5")) == (
        "IncompleteSignatureException",
        "Unsupported AWS 'algorithm': 'AWS4-HMAC-MD5'.",
    )


def test_a_header_goes_before_the_query() -> None:
    request = signed(presign=60)
    assert failure(with_headers(request, authorization="AWS4-HMAC-SHA256 x"))[0] == (
        "IncompleteSignatureException"
    )


# --- permissive ------------------------------------------------------------------------------


def permissive() -> SignatureVerifier:
    return SignatureVerifier(PermissiveCredentials(KnownCredentials()), clock())


@pytest.mark.parametrize("presign", [None, 60])
def test_permissive_takes_wrong_signatures_of_any_time(presign: int | None) -> None:
    request = signed(
        key="AKIAIOSFODNN7EXAMPLE",
        secret="x",
        token="y",
        at=NOW - timedelta(days=400),
        presign=presign,
    )
    assert permissive().verify(request, ["ecr"]) == Authenticated(
        root_principal("000000000000"), "AKIAIOSFODNN7EXAMPLE", "eu-west-1", "ecr", None
    )


def test_permissive_needs_no_more_than_the_header() -> None:
    header = (
        "AWS4-HMAC-SHA256 Credential=210987654321/20220524/us-east-1/ecr/aws4_request, "
        "SignedHeaders=host, Signature=x"
    )
    request = SignedRequest("POST", "/", "", {"authorization": header}, b"")
    caller = permissive().verify(request, ["ecr"])
    assert (caller.principal.account, caller.region) == ("210987654321", "us-east-1")


def test_permissive_still_needs_a_credential_in_scope() -> None:
    for request in (
        with_headers(signed(), authorization=None),
        with_headers(signed(), authorization="AWS4-HMAC-SHA256 Credential=x"),
        signed(service="s3"),
        with_scope("eu-west-1", "nowhere"),
    ):
        with pytest.raises(AuthenticationFailure):
            permissive().verify(request, ["ecr"])


# --- properties ------------------------------------------------------------------------------

VISIBLE = st.characters(min_codepoint=0x21, max_codepoint=0x7E)
SEGMENTS = st.text(st.sampled_from("abcXYZ019-_.~ é/:+%=&"), min_size=1, max_size=6).filter(
    lambda text: text not in (".", "..")
)
ENCODED = SEGMENTS.map(lambda text: quote(text, safe="-_.~"))


@st.composite
def requests(draw: st.DrawFn) -> SignedRequest:
    path = "".join(f"/{part}" for part in draw(st.lists(ENCODED, max_size=3))) or "/"
    pairs = draw(st.lists(st.tuples(ENCODED, ENCODED | st.just("")), max_size=3))
    query = "&".join(f"{name}={value}" for name, value in pairs)
    headers = dict(JSON_HEADERS)
    headers["X-Other"] = draw(st.text(VISIBLE, min_size=1, max_size=8))
    presign = draw(st.sampled_from([None, 60]))
    return signed(
        method=draw(st.sampled_from(["GET", "POST", "PUT"])),
        url=URL[:-1] + path + (f"?{query}" if query else ""),
        headers=headers,
        # botocore's signer moves a body into the query string.
        body=draw(st.binary(max_size=20)) if presign is None else b"",
        presign=presign,
    )


def edited(draw: st.DrawFn, text: str) -> str:
    """Return *text* with one character replaced, added or left out."""
    at = draw(st.integers(0, len(text)))
    character = draw(VISIBLE | st.sampled_from(text or "a"))
    kind = draw(st.sampled_from(["replace", "insert", "delete"]))
    return text[:at] + ("" if kind == "delete" else character) + text[at + (kind != "insert") :]


@st.composite
def tampered(draw: st.DrawFn) -> tuple[SignedRequest, SignedRequest]:
    request = draw(requests())
    if "authorization" in request.headers:
        names = request.headers["authorization"].split("SignedHeaders=")[1].split(",")[0]
    else:
        names = request.query_string.split("X-Amz-SignedHeaders=")[1].split("&")[0]
    signed_names = names.replace("%3B", ";").split(";")
    part = draw(st.sampled_from(["method", "path", "query", "header", "header gone", "body"]))
    if part == "method":
        return request, replace(request, method=edited(draw, request.method))
    if part == "path":
        return request, replace(request, path=edited(draw, request.path))
    if part == "query":
        return request, replace(request, query_string=edited(draw, request.query_string))
    if part == "body":
        text = edited(draw, request.body.decode("latin-1"))
        return request, replace(request, body=text.encode("latin-1"))
    name = draw(st.sampled_from(signed_names))
    headers = dict(request.headers)
    value = headers.pop(name)
    if part == "header":
        headers[name] = edited(draw, value)
    return request, replace(request, headers=headers)


@settings(max_examples=600, deadline=None)
@given(tampered())
def test_whatever_byte_is_changed_the_request_is_refused(
    pair: tuple[SignedRequest, SignedRequest],
) -> None:
    request, changed = pair
    verifier().verify(request, ["ecr"])
    assume(changed != request)
    with pytest.raises(AuthenticationFailure):
        verifier().verify(changed, ["ecr"])


@settings(max_examples=1000, deadline=None)
@given(
    authorization=st.one_of(
        st.text(),
        st.text(st.sampled_from("AWS4-HMAC-SHA256 Credential=/,;SignedHeaders Signature\t")),
        st.builds(
            "AWS4-HMAC-SHA256 Credential={}/{}/{}/{}/{}, SignedHeaders={}, Signature={}".format,
            st.text() | st.just("test"),
            st.text() | st.just("20260301"),
            st.text() | st.just("eu-west-1"),
            st.text() | st.just("ecr"),
            st.text() | st.just("aws4_request"),
            st.text() | st.just("host;x-amz-date"),
            st.text(),
        ),
    ),
    date=st.text() | st.just("20260301T120000Z"),
    token=st.none() | st.text(),
    query=st.text(max_size=30),
)
def test_any_authorization_header_fails_as_typed(
    authorization: str, date: str, token: str | None, query: str
) -> None:
    headers = {"host": "h", "authorization": authorization, "x-amz-date": date}
    if token is not None:
        headers["x-amz-security-token"] = token
    request = SignedRequest("POST", "/", query, headers, b"{}")
    code, message = failure(request)
    assert code.endswith("Exception")
    assert len(message) < 3000


@settings(max_examples=500, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [
                    "X-Amz-Algorithm",
                    "X-Amz-Credential",
                    "X-Amz-Date",
                    "X-Amz-Expires",
                    "X-Amz-SignedHeaders",
                    "X-Amz-Signature",
                    "X-Amz-Security-Token",
                ]
            ),
            st.text()
            | st.sampled_from(
                ["AWS4-HMAC-SHA256", "test/20260301/eu-west-1/ecr/aws4_request", "60", "host"]
            )
            | st.just("20260301T120000Z"),
        ),
        min_size=1,
    ),
    st.booleans(),
)
def test_any_query_fails_as_typed(pairs: list[tuple[str, str]], escape: bool) -> None:
    query = "&".join(
        f"{name}={quote(value, errors='replace') if escape else value}" for name, value in pairs
    )
    failure(SignedRequest("GET", "/", query, {"host": "h"}, b""))


@pytest.mark.parametrize("filler", ["a", "-a", "=", ",", ";", "/", " ", "%", "&", "a=&", "%41"])
def test_long_inputs_are_refused_without_delay(filler: str) -> None:
    long = filler * 200_000
    request = signed()
    header = request.headers["authorization"]
    for authorization in (
        long,
        f"{header}, Signature={long[:7000]}",
        header.replace("eu-west-1", "x" + long[:7000]),
    ):
        failure(with_headers(request, authorization=authorization))
    failure(replace(request, query_string=long))
    failure(replace(request, path=long))
    failure(with_headers(request, content_type=long))
    failure(with_headers(request, x_amz_security_token=long))
    failure(replace(signed(presign=60), query_string=f"X-Amz-SignedHeaders={long}"))

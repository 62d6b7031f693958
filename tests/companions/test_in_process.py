"""Other services beside ECR, in one process."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.app import ACCOUNT, App

V4 = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{}/aws4_request, SignedHeaders=host, Signature=0"  # noqa: E501

KEYS = ["a/b c", "ü/ñ+%2F&=?#x", "//lead", "dot/../x", "a:b@c", "q'~", "tail/"]


def client(app: App, service: str, account: str = ACCOUNT, region: str = "eu-west-1") -> Any:
    secret = account if account.startswith("test") else "test"
    return app.ecr(account, region, service=service, secret=secret)


def test_odd_keys(app: App) -> None:
    s3 = client(app, "s3")
    s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    for key in KEYS:
        s3.put_object(Bucket="bucket", Key=key, Body=key.encode(), Metadata={"my_key-a": "1"})
    assert {found["Key"] for found in s3.list_objects_v2(Bucket="bucket")["Contents"]} == set(KEYS)
    for key in KEYS:
        found = s3.get_object(Bucket="bucket", Key=key)
        assert found["Body"].read() == key.encode()
        assert found["Metadata"] == {"my_key-a": "1"}
    assert app.ecr(region="eu-west-1").describe_repositories()["repositories"] == []


def test_presigned(app: App) -> None:
    s3 = client(app, "s3", region="us-east-1")
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="a/b c", Body=b"data")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "a/b c"})
    assert app.request("GET", url.partition("localhost:4566")[2]).data == b"data"
    query = QUERY_CREDENTIAL.format("iam")
    answer = app.request("GET", f"/?Action=ListUsers&Version=2010-05-08&{query}")
    assert b"<ListUsersResult" in answer.data


QUERY_CREDENTIAL = (
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=test%2F20260101%2Fus-east-1%2F{}"
    "%2Faws4_request&X-Amz-Signature=0"
)


@pytest.mark.parametrize(
    ("key", "account"),
    [
        ("test", "000000000000"),
        ("testing", "123456789012"),
        ("111122223333", "111122223333"),
        ("AKIANOBODYKNOWSTHIS0", "000000000000"),
    ],
)
def test_accounts_agree(app: App, key: str, account: str) -> None:
    url = client(app, "sqs", key).create_queue(QueueName="jobs")["QueueUrl"]
    assert url == f"http://localhost:4566/{account}/jobs"


def test_a_session_is_in_its_account(app: App) -> None:
    keys = client(app, "sts", "111122223333").get_session_token()["Credentials"]
    sqs = app.ecr(
        keys["AccessKeyId"],
        service="sqs",
        secret=keys["SecretAccessKey"],
        session_token=keys["SessionToken"],
    )
    assert "/111122223333/" in sqs.create_queue(QueueName="jobs")["QueueUrl"]


def test_reset(app: App) -> None:
    sqs = client(app, "sqs")
    sqs.create_queue(QueueName="jobs")
    assert app.request("POST", "/_emulator/reset").status_code == 200
    assert "QueueUrls" not in sqs.list_queues()


def test_sts_stays_ours(app: App) -> None:
    sts = client(app, "sts")
    assert sts.get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"
    with pytest.raises(ClientError, match="NotImplemented"):
        sts.get_federation_token(Name="somebody")


def test_a_call_of_ours_signed_for_another_service(app: App) -> None:
    status, answer = app.call("DescribeRepositories", {}, service="s3")
    assert status == 400
    assert "Credential should be scoped to correct service: 'ecr'" in answer["message"]


def signed(
    app: App, method: str, path: str, service: str, body: bytes = b"", **headers: str
) -> Any:
    given = {"Authorization": V4.format(service), **headers}
    return app.request(method, path, body, given)


def test_what_moto_has_not(app: App) -> None:
    answer = signed(app, "GET", "/", "no-such-service")
    assert answer.status_code == 501
    assert "moto has no service for no-such-service" in answer.get_json(force=True)["message"]
    answer = signed(app, "POST", "/", "sqs", **{"X-Amz-Target": "AmazonSQS.NoSuchOperation"})
    assert answer.status_code in (404, 501)
    answer = signed(app, "POST", "/", "dynamodb")
    assert answer.status_code == 501


def test_motos_own_control_is_closed(app: App) -> None:
    sqs = client(app, "sqs")
    sqs.create_queue(QueueName="jobs")
    # A bucket of that name is not there.
    assert signed(app, "GET", "/moto-api/data.json", "s3").status_code == 404
    assert signed(app, "POST", "/moto-api/reset", "s3").status_code >= 400
    assert len(sqs.list_queues()["QueueUrls"]) == 1
    assert app.request("POST", "/moto-api/reset").status_code == 404


def test_pages_are_refused(app: App) -> None:
    answer = signed(app, "POST", "/", "iam", Origin="https://example.com")
    assert (answer.status_code, answer.get_json(force=True)["code"]) == (403, "AccessDenied")


def test_unsigned_requests_get_what_they_got(app: App) -> None:
    assert app.request("GET", "/bucket/key").status_code == 404
    assert app.request("GET", "/latest/meta-data/").status_code == 404


def test_off(tmp_path: Path) -> None:
    app = App(tmp_path / "data", companions="off")
    with pytest.raises(ClientError, match="404"):
        client(app, "s3").head_bucket(Bucket="bucket")
    app.ecr().create_repository(repositoryName="app")
    app.close()


def test_moto_is_imported_by_the_first_request_alone(tmp_path: Path) -> None:
    """Neither a server without companions nor one whose companions nobody uses pays for moto."""
    code = (
        "import sys\n"
        "from ecr_emulator.app import create_app\n"
        "from ecr_emulator.config import Settings\n"
        "from ecr_emulator.db.migrate import upgrade\n"
        "import ecr_emulator.cli, ecr_emulator.companions.process\n"
        "for companions in ('off', 'on'):\n"
        f"    settings = Settings(data_dir={str(tmp_path)!r}, companions=companions)\n"
        "    upgrade(settings.database_url)\n"
        "    create_app(settings).close()\n"
        "    assert not {name for name in sys.modules if name.startswith('moto')}\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_on_without_moto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from ecr_emulator.cli import main
    from ecr_emulator.companions import moto_host

    monkeypatch.setattr(moto_host, "_MODULES", ("there_is_no_such_module",))
    assert not moto_host.are_wanted("auto")
    done = CliRunner().invoke(main, ["serve", "--companions=on", f"--data-dir={tmp_path}"])
    assert done.exit_code == 2
    assert done.output == (
        "ecr-emulator: setting companions: on needs moto, which is not installed: pip install"
        " 'ecr-emulator[aws]'\n"
    )


@pytest.mark.parametrize(
    ("service", "headers", "part"),
    [
        ("s3", {}, b"<Error><Code>IncompleteBody</Code>"),
        ("s3", {"X-Amz-Target": "S3.Put"}, b"<Error><Code>IncompleteBody</Code>"),
        (
            "iam",
            {"Content-Type": "application/x-www-form-urlencoded"},
            b"<ErrorResponse><Error><Code>IncompleteBody</Code>",
        ),
        ("dynamodb", {"X-Amz-Target": "DynamoDB_20120810.X"}, b'"code": "IncompleteBody"'),
    ],
)
def test_a_body_that_is_cut_short(
    app: App, service: str, headers: dict[str, str], part: bytes
) -> None:
    """It is not handed on, and the error has the form that the service's clients read."""
    given = {"Authorization": V4.format(service), **headers}
    answer = app.request("PUT", "/bucket/key", b"data", given, length=5)
    assert answer.status_code == 400
    assert part in answer.data


def test_hostile_requests(app: App) -> None:
    """Whatever breaks in moto is an answer, and no exception."""
    chance = random.Random(7)
    services = ["s3", "sqs", "iam", "dynamodb", "events", "secretsmanager", "sns", "kms", "x"]
    pieces = ["/", "..", "%00", "%FF", "bucket", "a" * 300, "?Action=", "&Version=1", ";", "%2F"]
    bodies = [b"", b"{", b"[]", b"null", b"Action=ListUsers", b"\xff\xfe", b"<a>" * 50, b"[" * 9999]
    types = ["", "application/json", "application/x-amz-json-1.0", "multipart/form-data", "\xff"]
    for _ in range(150):
        service = chance.choice(services)
        path = "/" + "".join(chance.choices(pieces, k=chance.randrange(4)))
        answer = signed(
            app,
            chance.choice(["GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", "BREW"]),
            path,
            service,
            body=chance.choice(bodies),
            **{
                "Content-Type": chance.choice([*types, "application/x-www-form-urlencoded"]),
                "X-Amz-Target": chance.choice(["", "a.b", "AmazonSQS.ListQueues", "." * 99]),
            },
        )
        assert 200 <= answer.status_code < 600
    # It still works.
    client(app, "sqs").create_queue(QueueName="jobs")


class TestSecrets:
    """Sources: as those of ``tests/registry/test_pull_through.py``."""

    LOGIN = json.dumps({"username": "me", "accessToken": "s3cret"})

    @staticmethod
    def rule(app: App, arn: str) -> dict[str, Any]:
        found: dict[str, Any] = app.ecr(region="eu-west-1").create_pull_through_cache_rule(
            ecrRepositoryPrefix="hub",
            upstreamRegistryUrl="registry-1.docker.io",
            credentialArn=arn,
        )
        return found

    @staticmethod
    def secret(app: App, **value: Any) -> str:
        manager = client(app, "secretsmanager")
        made = manager.create_secret(Name="ecr-pullthroughcache/hub", **value)
        return str(made["ARN"])

    def test_missing(self, app: App) -> None:
        arn = f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:ecr-pullthroughcache/hub-AbCdEf"
        with pytest.raises(ClientError, match="SecretNotFoundException"):
            self.rule(app, arn)
        self.rule(app, self.secret(app, SecretString=self.LOGIN))
        with pytest.raises(ClientError, match="SecretNotFoundException"):
            app.ecr(region="eu-west-1").update_pull_through_cache_rule(
                ecrRepositoryPrefix="hub", credentialArn=arn
            )

    def test_deleted(self, app: App) -> None:
        arn = self.secret(app, SecretString=self.LOGIN)
        self.rule(app, arn)
        client(app, "secretsmanager").delete_secret(SecretId=arn)
        ecr = app.ecr(region="eu-west-1")
        with pytest.raises(ClientError, match="UnableToAccessSecretException"):
            ecr.update_pull_through_cache_rule(ecrRepositoryPrefix="hub", credentialArn=arn)
        ecr.delete_pull_through_cache_rule(ecrRepositoryPrefix="hub")
        with pytest.raises(ClientError, match="UnableToAccessSecretException"):
            self.rule(app, arn)

    @pytest.mark.parametrize(
        "value",
        [
            {"SecretString": "not JSON"},
            {"SecretString": '{"username": "me"}'},
            {"SecretString": "[" * 100_000},
            {"SecretBinary": b"\x00"},
        ],
    )
    def test_malformed(self, app: App, value: dict[str, Any]) -> None:
        self.rule(app, self.secret(app, **value))
        answer = app.ecr(region="eu-west-1").validate_pull_through_cache_rule(
            ecrRepositoryPrefix="hub"
        )
        assert answer["isValid"] is False
        assert answer["failure"].startswith("The secret is unable to be accessed.")

    def test_good_until_it_changes(self, app: App) -> None:
        arn = self.secret(app, SecretString=self.LOGIN)
        self.rule(app, arn)
        ecr = app.ecr(region="eu-west-1")

        def is_readable() -> bool:
            answer = ecr.validate_pull_through_cache_rule(ecrRepositoryPrefix="hub")
            return "secret" not in answer.get("failure", "")

        assert is_readable()
        client(app, "secretsmanager").put_secret_value(SecretId=arn, SecretString="changed")
        assert not is_readable()

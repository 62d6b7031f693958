"""Delivery to SQS, SNS and EventBridge, for which moto stands in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.events.support import logged
from tests.support.app import ACCOUNT, REGION, App
from tests.support.images import make_image


@dataclass
class Aws:
    """AWS's messaging services."""

    url: str

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def make_queue(self, name: str, **attributes: str) -> str:
        answer = self.client("sqs").create_queue(QueueName=name, Attributes=attributes)
        return str(answer["QueueUrl"])

    def queue_arn(self, url: str) -> str:
        answer = self.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return str(answer["Attributes"]["QueueArn"])

    def messages(self, url: str) -> list[dict[str, Any]]:
        answer = self.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield Aws(f"http://{host}:{port}")
    server.stop()


@pytest.fixture(autouse=True)
def no_other_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep this machine's own AWS settings out."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


def push_and_tell(folder: Path, target: str) -> list[dict[str, Any]]:
    """Push two images, let *target* be told, and return the events."""
    app = App(folder, event_targets=target)
    try:
        app.ecr().create_repository(repositoryName="app")
        for tag in ("a", "b"):
            app.oci().push("app", make_image(1, 10), tag)
        app.run_jobs()
        return logged(app)
    finally:
        app.close()


def by_id(events: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return events by their ids: queues keep no order."""
    return {event["id"]: event for event in events}


@pytest.mark.parametrize(
    ("name", "attributes"),
    [("plain", {}), ("ordered.fifo", {"FifoQueue": "true"})],
)
def test_a_queue(aws: Aws, tmp_path: Path, name: str, attributes: dict[str, str]) -> None:
    url = aws.make_queue(name, **attributes)
    events = push_and_tell(tmp_path / "data", f"sqs:{url}")
    assert len(events) == 2
    assert by_id(aws.messages(url)) == by_id(events)


def test_a_queue_that_is_not_there(
    aws: Aws, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    push_and_tell(tmp_path / "data", f"sqs:{aws.url}/{ACCOUNT}/none")
    assert "failed at try 1" in caplog.text
    assert "NonExistentQueue" in caplog.text


def test_a_topic(aws: Aws, tmp_path: Path) -> None:
    url = aws.make_queue("of-topic")
    sns = aws.client("sns")
    topic = sns.create_topic(Name="events")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=aws.queue_arn(url))
    events = push_and_tell(tmp_path / "data", f"sns:{aws.url}#{topic}")
    received = [json.loads(message["Message"]) for message in aws.messages(url)]
    assert by_id(received) == by_id(events)


def test_a_bus_and_a_rule(aws: Aws, tmp_path: Path) -> None:
    url = aws.make_queue("of-rule")
    bus = aws.client("events")
    pattern = {"source": ["aws.ecr"], "detail": {"action-type": ["PUSH"], "image-tag": ["b"]}}
    bus.put_rule(Name="pushes", EventPattern=json.dumps(pattern))
    bus.put_targets(Rule="pushes", Targets=[{"Id": "1", "Arn": aws.queue_arn(url)}])
    events = push_and_tell(tmp_path / "data", f"eventbridge:{aws.url}")
    (message,) = aws.messages(url)
    (event,) = [event for event in events if event["detail"]["image-tag"] == "b"]
    # The rest is the bus's own; moto leaves some of it out.
    for member in ("detail-type", "source", "resources", "detail"):
        assert message[member] == event[member], member


def test_a_bus_that_is_not_there(
    aws: Aws, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    push_and_tell(tmp_path / "data", f"eventbridge:{aws.url}#none")
    assert "failed at try 1" in caplog.text

"""ECR's events on moto's default event bus."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.events.support import check_envelope, logged
from tests.support.app import ACCOUNT, REGION, App
from tests.support.images import make_image

QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:"


@pytest.fixture
def events(app: App) -> Any:
    return app.ecr(service="events")


def messages(app: App, name: str) -> list[dict[str, Any]]:
    sqs = app.ecr(service="sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(message["Body"]) for message in found]


def rule(events: Any, name: str, pattern: dict[str, Any], *queues: str) -> None:
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    targets = [{"Id": queue, "Arn": QUEUE + queue} for queue in queues]
    events.put_targets(Rule=name, Targets=targets)


def push(app: App) -> str:
    app.ecr().create_repository(repositoryName="app")
    return app.oci().push("app", make_image(), "v1")


def test_a_rule_gets_a_push(app: App, events: Any) -> None:
    assert messages(app, "one") == messages(app, "two") == []
    pattern = {"source": ["aws.ecr"], "detail": {"action-type": ["PUSH"]}}
    rule(events, "pushes", pattern, "one", "two")
    digest = push(app)
    app.run_jobs()
    (event,) = messages(app, "one")
    check_envelope(event)
    assert (event["account"], event["region"]) == (ACCOUNT, REGION)
    assert event["detail"]["image-digest"] == digest
    assert event == logged(app, **{"detail-type": "ECR Image Action"})[0]
    assert messages(app, "two") == [event]


def test_topics_and_transformers(app: App, events: Any) -> None:
    messages(app, "one"), messages(app, "two")
    sns = app.ecr(service="sns")
    topic = sns.create_topic(Name="news")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=QUEUE + "one")
    events.put_rule(Name="r", EventPattern=json.dumps({"source": ["aws.ecr"]}))
    transformer = {
        "InputPathsMap": {"digest": "$.detail.image-digest"},
        "InputTemplate": '{"pushed": "<digest>"}',
    }
    events.put_targets(
        Rule="r",
        Targets=[
            {"Id": "topic", "Arn": topic},
            {"Id": "queue", "Arn": QUEUE + "two", "InputTransformer": transformer},
        ],
    )
    digest = push(app)
    app.run_jobs()
    (notification,) = messages(app, "one")
    check_envelope(json.loads(notification["Message"]))
    assert messages(app, "two") == [{"pushed": digest}]


def test_rules_that_do_not_match(app: App, events: Any) -> None:
    for name in ("disabled", "deletes"):
        messages(app, name)
    rule(events, "disabled", {"source": ["aws.ecr"]}, "disabled")
    events.disable_rule(Name="disabled")
    rule(events, "deletes", {"detail": {"action-type": ["DELETE"]}}, "deletes")
    # A target that is not there, and one that moto cannot send to, fail alone.
    rule(events, "a", {"source": ["aws.ecr"]}, "no-such-queue")
    push(app)
    app.run_jobs()
    assert messages(app, "disabled") == messages(app, "deletes") == []
    app.ecr().batch_delete_image(repositoryName="app", imageIds=[{"imageTag": "v1"}])
    app.run_jobs()
    (event,) = messages(app, "deletes")
    assert event["detail"]["action-type"] == "DELETE"


def test_without_rules_nothing_is_queued(app: App, events: Any) -> None:
    push(app)
    assert app.run_jobs() == 0
    rule(events, "all", {"source": ["aws.ecr"]}, "q")
    events.remove_targets(Rule="all", Ids=["q"])
    events.delete_rule(Name="all")
    app.oci().push("app", make_image(), "v2")
    assert app.run_jobs() == 0

"""What ``/_emulator/events`` answers."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from ecr_emulator.arns import RegistryKey
from ecr_emulator.clock import SettableClock
from ecr_emulator.db.engine import Database
from ecr_emulator.db.event_tables import events
from ecr_emulator.registry.event_bodies import Event
from ecr_emulator.registry.event_log import EventLog
from ecr_emulator.registry.event_queue import DeliveryQueue
from tests.events.support import listing
from tests.support.app import ACCOUNT, REGION, STRANGER, App
from tests.support.images import make_image

ELSEWHERE = "eu-west-1"


def push(app: App, tag: str, account: str = ACCOUNT, region: str = REGION) -> None:
    """Push an image under *tag*."""
    app.oci(account, region).push("app", make_image(1, 10), tag)


def tags(answer: dict[str, list[dict[str, dict[str, dict[str, str]]]]]) -> list[str]:
    return [entry["event"]["detail"]["image-tag"] for entry in answer["events"]]


@pytest.fixture(autouse=True)
def repositories(app: App) -> None:
    for account, region in ((ACCOUNT, REGION), (ACCOUNT, ELSEWHERE), (STRANGER, REGION)):
        app.ecr(account, region).create_repository(repositoryName="app")


def test_events_are_filtered(app: App) -> None:
    push(app, "a")
    push(app, "b", region=ELSEWHERE)
    push(app, "c", account=STRANGER)
    assert tags(listing(app)) == ["a", "b", "c"]
    assert tags(listing(app, account=ACCOUNT)) == ["a", "b"]
    assert tags(listing(app, region=REGION)) == ["a", "c"]
    assert tags(listing(app, account=ACCOUNT, region=REGION)) == ["a"]
    assert tags(listing(app, detail_type="ECR Image Action")) == ["a", "b", "c"]
    assert tags(listing(app, detail_type="ECR Image Scan")) == []


def test_who_asks_again_misses_none(app: App) -> None:
    assert listing(app) == {"events": [], "after": 0}
    for tag in "abcde":
        push(app, tag)
    assert tags(listing(app, limit=2)) == ["d", "e"]
    seen: list[str] = []
    after = 0
    for _ in range(3):
        page = listing(app, after=after, limit=2)
        seen += tags(page)
        after = page["after"]
    assert seen == list("abcde")
    assert listing(app, after=after) == {"events": [], "after": after}
    push(app, "f")
    assert tags(listing(app, after=after)) == ["f"]


def test_waiting_ends_with_the_first_event(app: App) -> None:
    pushing = threading.Timer(0.5, push, (app, "late"))
    app.oci()
    pushing.start()
    begun = time.monotonic()
    answer = listing(app, after=0, wait=20)
    pushing.join()
    assert tags(answer) == ["late"]
    assert time.monotonic() - begun < 10


def test_waiting_is_bounded(app: App) -> None:
    waiting = [threading.Thread(target=listing, args=(app,), kwargs={"wait": 3}) for _ in range(4)]
    for thread in waiting:
        thread.start()
    time.sleep(0.5)
    begun = time.monotonic()
    assert listing(app, wait=20)["events"] == []
    assert time.monotonic() - begun < 2
    for thread in waiting:
        thread.join()


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "after=-1", "after=x", "wait=21", f"after={2**63}", "what=1"]
)
def test_odd_queries_are_refused(app: App, query: str) -> None:
    response = app.request(
        "GET", f"/_emulator/events?{query}", environ={"REMOTE_ADDR": "127.0.0.1"}
    )
    assert response.status_code == 400
    assert list(response.get_json()) == ["message"]


def test_strangers_see_nothing(app: App) -> None:
    response = app.request("GET", "/_emulator/events", environ={"REMOTE_ADDR": "192.0.2.1"})
    assert response.status_code == 403


def test_a_reset_forgets_them(app: App) -> None:
    push(app, "a")
    last = listing(app)["after"]
    app.request("POST", "/_emulator/reset", environ={"REMOTE_ADDR": "127.0.0.1"})
    assert listing(app) == {"events": [], "after": 0}
    app.ecr().create_repository(repositoryName="app")
    push(app, "b")
    # Whoever still asks behind the last one finds what comes.
    assert tags(listing(app, after=last)) == ["b"]


def test_the_log_is_cut_back_but_for_what_is_to_be_delivered(tmp_path: Path) -> None:
    clock = SettableClock()
    # One of its own: it is cut back at every hundredth id since the database was made.
    own = App(tmp_path / "own")
    database = Database(own.settings.database_url)
    event = Event(RegistryKey(ACCOUNT, REGION), "ECR Image Action", {})

    def record(count: int, *targets: str) -> int:
        log = EventLog(database, clock, DeliveryQueue(targets), kept=50)
        for _ in range(count):
            log.record_alone(event)
        return int(database.reader().execute(select(func.count()).select_from(events)).scalar_one())

    assert record(200) == 50
    assert record(100, "someone") == 100
    assert record(100, "someone") == 200
    clock.advance(timedelta(hours=25))
    assert record(100) == 50
    database.close()
    own.close()

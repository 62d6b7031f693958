"""How cost grows: the same requests with few images and repositories, and with very many.

The images are written to the database at once, as pushes would: a hundred thousand pushes would
take longer than all the rest. Pages have ten entries in every case, first pages and late ones.
Meanwhile another process commits to the database all the time, so that what was read is forgotten
at once: what is remembered costs the same in any repository.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from json_door import KEY, REGION, _client, signed
from load import Prepared, rate
from results import Table, figure, in_turn
from sqlalchemy import Table as SqlTable
from sqlalchemy import insert, select

from ecr_emulator.db.engine import Database
from ecr_emulator.db.schema import image_layers, image_tags, images, manifests, repositories
from tests.clients.caller import Caller
from tests.support.images import Blob, Image, make_image
from tests.support.oci_client import OciClient
from tests.support.server import ServerProcess

#: Images of the three repositories that are compared, by the repository's name.
SIZES = {"ten": 10, "thousand": 1_000, "many": 100_000}
REPOSITORIES = 10_000
PAGE = 10
#: What the cost may grow by.
LIMIT = 2.0
_BATCH = 5_000
#: Commits some thousand times a second what means nothing to the server.
_COMMITS = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
connection.execute("PRAGMA synchronous = OFF")
number = 0
while True:
    number = (number + 1) % 1_000_000
    connection.execute(f"PRAGMA user_version = {number}")
    time.sleep(0.0001)
"""


def run(folder: Path, seconds: float, rounds: int) -> list[str]:
    """Print the table of how cost grows; return what grows too fast."""
    server = ServerProcess(folder / "growth")
    try:
        caller = Caller(server.url, folder, KEY, REGION)
        client = OciClient(server.url, caller.password())
        image = make_image(layers=1, size=100)
        for name in SIZES:
            caller.create_repository(name)
            for blob in image.blobs:
                client.push_blob(name, blob.data)
            client.push(name, image, "v000000")
        database = Database(f"sqlite:///{server.data_dir / 'registry.sqlite3'}")
        try:
            for name, count in SIZES.items():
                _store_images(database, name, image, count)
            with _commits(server.data_dir):
                few = _measure(server.port, caller, folder, seconds, rounds, SIZES)
            _store_repositories(database)
        finally:
            database.close()
        with _commits(server.data_dir):
            many = _measure(server.port, caller, folder, seconds, rounds, {"ten": SIZES["ten"]})
    finally:
        server.stop()
    return _print(few, many)


@contextmanager
def _commits(data_dir: Path) -> Iterator[None]:
    """Commit again and again, for the length of the block."""
    command = [sys.executable, "-c", _COMMITS, str(data_dir / "registry.sqlite3")]
    process = subprocess.Popen(command)
    try:
        yield
        if process.poll() is not None:
            sys.exit("the process that commits has ended")
    finally:
        process.kill()
        process.wait()


def _print(few: dict[str, dict[str, float]], many: dict[str, dict[str, float]]) -> list[str]:
    names = [f"{count:,} images" for count in SIZES.values()]
    title = "How cost grows, requests a second"
    table = Table(title, "", *names, f"{REPOSITORIES:,} repositories", "slowest", "target")
    for case, found in few.items():
        with_many = many[case]["ten"]
        rates = [*found.values(), with_many]
        growth = rates[0] / min(rates)
        verdict = f"≤ {LIMIT:g}"
        if growth > LIMIT:
            verdict += " ✗"
            table.missed.append(f"{case}: {growth:.1f} times the cost")
        table.row(case, *(figure(value) for value in rates), f"{growth:.2f}", verdict)
    return table.missed


def _measure(
    port: int,
    caller: Caller,
    folder: Path,
    seconds: float,
    rounds: int,
    sizes: dict[str, int],
) -> dict[str, dict[str, float]]:
    """Return the rates of each case, by the repository's name."""
    login = base64.b64encode(f"AWS:{caller.password()}".encode()).decode()
    requests = {name: _requests(port, login, name, count) for name, count in sizes.items()}
    found: dict[str, dict[str, float]] = {}
    for case in requests["ten"]:
        measures = {}
        for name in sizes:

            def measure(name: str = name, case: str = case) -> float:
                return rate(port, [requests[name][case]], folder, seconds=seconds)

            measures[name] = measure
        found[case] = in_turn(measures, rounds)
    return found


def _requests(port: int, login: str, name: str, count: int) -> dict[str, Prepared]:
    """Return the request of each case for a repository of *count* images."""
    headers = {"Host": "127.0.0.1", "Authorization": f"Basic {login}"}
    middle = f"v{count // 2:06}"
    client = _client(port)
    one = {"repositoryName": name, "imageIds": [{"imageTag": middle}]}
    page = {"repositoryName": name, "maxResults": PAGE}
    digest = client.describe_images(**one)["imageDetails"][0]["imageDigest"]
    late_tag = f"v{max(0, count - PAGE - 1):06}"

    def get(path: str) -> Prepared:
        return Prepared("GET", f"/v2/{name}/{path}", headers)

    def call(operation: str, parameters: dict[str, object]) -> Prepared:
        return signed(port, operation, parameters)

    # A page late in the listing: the token of the page before it.
    token = _late_token(client, name, count)
    late = {**page, "nextToken": token} if token else page
    return {
        "GET manifest by tag": get(f"manifests/{middle}"),
        "GET manifest by digest": get(f"manifests/{digest}"),
        "tags, first page": get(f"tags/list?n={PAGE}"),
        "tags, late page": get(f"tags/list?n={PAGE}&last={late_tag}"),
        "DescribeImages of one": call("DescribeImages", one),
        "DescribeImages, first page": call("DescribeImages", page),
        "DescribeImages, late page": call("DescribeImages", late),
        "ListImages, first page": call("ListImages", page),
        "DescribeRepositories of one": call("DescribeRepositories", {"repositoryNames": [name]}),
        "DescribeRepositories, first page": call("DescribeRepositories", {"maxResults": 1}),
    }


def _late_token(client: object, name: str, count: int) -> str | None:
    """Return the token of a page nine tenths into the listing, if it has so many."""
    token: str | None = None
    passed = 0
    while passed < count * 9 // 10:
        answer = client.describe_images(  # type: ignore[attr-defined]
            repositoryName=name, maxResults=1000, **({"nextToken": token} if token else {})
        )
        passed += len(answer["imageDetails"])
        if "nextToken" not in answer:
            break
        token = answer["nextToken"]
    return token


def _store_images(database: Database, name: str, image: Image, count: int) -> None:
    """Write images *1 … count - 1* like *image* into a repository, each with a tag."""
    now = datetime.now(timezone.utc)
    with database.write() as connection:
        query = select(repositories.c.id).where(repositories.c.name == name)
        repository_id = connection.execute(query).scalar_one()
        model = connection.execute(
            select(images).where(images.c.repository_id == repository_id)
        ).one()
        first = connection.execute(select(images.c.id).order_by(images.c.id.desc())).first()
        next_id = first.id + 1
        rows: dict[SqlTable, list[dict[str, object]]] = {
            images: [],
            manifests: [],
            image_tags: [],
            image_layers: [],
        }
        for number, manifest in _manifests(image, count):
            image_id = next_id + number
            values = {**model._asdict(), "id": image_id, "digest": manifest.digest}
            rows[images].append({**values, "manifest_size": len(manifest.data)})
            rows[manifests].append({"image_id": image_id, "body": manifest.data})
            tag = {"tag": f"v{number:06}", "image_id": image_id, "tagged_at": now}
            rows[image_tags].append({"repository_id": repository_id, **tag})
            for blob in image.blobs:
                layer = {"digest": blob.digest, "media_type": blob.media_type}
                rows[image_layers].append({"image_id": image_id, **layer})
            if len(rows[images]) == _BATCH or number == count - 1:
                for table, some in rows.items():
                    connection.execute(insert(table), some)
                    some.clear()


def _manifests(image: Image, count: int) -> Iterator[tuple[int, Blob]]:
    document = json.loads(image.manifest.data)
    for number in range(1, count):
        document["annotations"] = {"number": str(number)}
        yield number, Blob(image.manifest.media_type, json.dumps(document).encode())


def _store_repositories(database: Database) -> None:
    """Write more repositories like the first, to make REPOSITORIES of them."""
    with database.write() as connection:
        query = select(repositories).where(repositories.c.name == "ten")
        model = connection.execute(query).one()._asdict()
        del model["id"]
        rows = [
            {**model, "name": f"more/{number:05}"} for number in range(REPOSITORIES - len(SIZES))
        ]
        connection.execute(insert(repositories), rows)

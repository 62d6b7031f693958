"""The OCI door beside Debian's docker-registry, and beside what the machine can do at the best."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import time
from functools import partial
from operator import add
from pathlib import Path
from statistics import median

import servers
from load import MIB, Prepared, download_rate, rate, upload_rate
from results import Table, in_turn

from tests.clients.caller import Caller
from tests.support.images import OCI_LAYER, Blob, Image, make_image, manifest_of, write_layout
from tests.support.memory import PeakMemory
from tests.support.oci_client import ANY_MANIFEST, OciClient
from tests.support.server import ServerProcess

REPOSITORY = "bench/app"
LARGE = 256 * MIB
LAYERS, LAYER_SIZE = 40, 5 * MIB


def run(folder: Path, seconds: float, rounds: int, minutes: float) -> list[str]:
    """Print the table of the OCI door; return what missed its target."""
    files = folder / "files"
    files.mkdir()
    small, large = os.urandom(10 * 1024), os.urandom(MIB) * (LARGE // MIB)
    (files / "small").write_bytes(small)
    (files / "large").write_bytes(large)
    server = ServerProcess(folder / "data")
    try:
        rest = PeakMemory(server.pid).measure()
        caller = Caller(server.url, folder)
        login = base64.b64encode(f"AWS:{caller.password()}".encode()).decode()
        caller.create_repository(REPOSITORY)
        with servers.docker_registry(folder) as theirs, servers.nginx(folder, files) as nginx:
            ports = {"theirs": theirs, "ours": server.port}
            logins = {"theirs": None, "ours": login}
            for name, port in ports.items():
                password = caller.password() if name == "ours" else None
                _fill(OciClient(f"http://127.0.0.1:{port}", password), small, large)
            table = Table(
                "OCI door", "", "docker-registry", "ours", "ratio", "target", "of the limit"
            )
            _small(table, folder, ports, logins, nginx, seconds, rounds)
            _large(table, folder, ports, logins, nginx, seconds, rounds)
            _skopeo(table, folder, ports, login, nginx, rounds)
            _memory(table, server, folder, login, rest, minutes)
    finally:
        server.stop()
    return table.missed


def _fill(client: OciClient, small: bytes, large: bytes) -> None:
    """Push what is read later: an image of the small and the large blob."""
    layers = [Blob(OCI_LAYER, small), Blob(OCI_LAYER, large)]
    config = make_image(layers=0).config
    for blob in (*layers, config):
        client.push_blob(REPOSITORY, blob.data)
    client.put_manifest(REPOSITORY, "v1", manifest_of(config, layers))


def _request(path: str, login: str | None) -> Prepared:
    headers = {"Host": "127.0.0.1", "Accept": ANY_MANIFEST}
    if login:
        headers["Authorization"] = f"Basic {login}"
    return Prepared("GET", path, headers)


def _small(
    table: Table,
    folder: Path,
    ports: dict[str, int],
    logins: dict[str, str | None],
    nginx: int,
    seconds: float,
    rounds: int,
) -> None:
    blob = "sha256:" + hashlib.sha256((folder / "files" / "small").read_bytes()).hexdigest()
    cases = [
        ("GET /v2/", 8, "/v2/"),
        ("GET manifest by tag", 5, f"/v2/{REPOSITORY}/manifests/v1"),
        ("GET manifest by digest", 5, f"/v2/{REPOSITORY}/manifests/{{digest}}"),
        ("GET blob of 10 KiB", 15, f"/v2/{REPOSITORY}/blobs/{blob}"),
    ]
    for name, target, path in cases:
        measures = {}
        for server, port in ports.items():
            client = OciClient(f"http://127.0.0.1:{port}", _password(logins[server]))
            digest = client.get_manifest(REPOSITORY, "v1").digest
            request = _request(path.format(digest=digest), logins[server])
            measures[server] = partial(rate, port, [request], folder, seconds=seconds, clients=16)
        limit = None
        if "blob" in name:
            request = _request("/small", None)
            measures["nginx"] = partial(rate, nginx, [request], folder, seconds=seconds, clients=16)
        found = in_turn(measures, rounds)
        limit = found.get("nginx")
        table.compared(f"{name}, a second", found["theirs"], found["ours"], target, limit)


def _large(
    table: Table,
    folder: Path,
    ports: dict[str, int],
    logins: dict[str, str | None],
    nginx: int,
    seconds: float,
    rounds: int,
) -> None:
    blob = "sha256:" + hashlib.sha256((folder / "files" / "large").read_bytes()).hexdigest()
    path = f"/v2/{REPOSITORY}/blobs/{blob}"
    for clients, target in ((1, None), (4, 1.2)):
        options = {"seconds": seconds, "clients": clients}
        measures = {
            server: partial(download_rate, port, _request(path, logins[server]), **options)
            for server, port in ports.items()
        }
        measures["nginx"] = partial(download_rate, nginx, _request("/large", None), **options)
        found = in_turn(measures, rounds)
        name = f"GET blob of 256 MiB, {clients} at once, MiB a second"
        table.compared(name, found["theirs"], found["ours"], target, found["nginx"])
    for clients, target in ((1, 1.8), (4, 1.8)):
        measures = {
            server: partial(_upload_rate, folder, port, logins[server], clients)
            for server, port in ports.items()
        }
        measures["disk"] = partial(_hash_and_write, folder)
        found = in_turn(measures, rounds)
        name = f"upload of 256 MiB, {clients} at once, MiB a second"
        table.compared(name, found["theirs"], found["ours"], target, found["disk"])


def _upload_rate(folder: Path, port: int, login: str | None, clients: int) -> float:
    begun = time.time()
    reached = upload_rate(port, REPOSITORY, login, size=LARGE, clients=clients)
    # What was uploaded goes, and with it the memory that it is cached in. Where a virtual machine
    # has to ask for fresh memory, that costs more than all that the servers do.
    for path in folder.rglob("*"):
        if path.is_file() and path.stat().st_size == LARGE and path.stat().st_mtime >= begun:
            path.unlink()
    return reached


def _hash_and_write(folder: Path) -> float:
    """Return at how many MiB a second one thread hashes, writes and syncs."""
    data, hashed = os.urandom(MIB), hashlib.sha256()
    path = folder / "written"
    started = time.perf_counter()
    with path.open("wb", buffering=0) as file:
        for _ in range(LARGE // MIB):
            hashed.update(data)
            file.write(data)
        os.fsync(file.fileno())
    seconds = time.perf_counter() - started
    path.unlink()
    return LARGE / MIB / seconds


def _skopeo(
    table: Table, folder: Path, ports: dict[str, int], login: str, nginx: int, rounds: int
) -> None:
    """Push an image of many layers with skopeo, new each time, and pull it again."""
    pushes: dict[str, list[float]] = {server: [] for server in ports}
    pulls: dict[str, list[float]] = {server: [] for server in (*ports, "nginx")}
    user = base64.b64decode(login).decode()
    layout, pulled, served = folder / "layout", folder / "pulled", folder / "files" / "v2"
    for turn in range(rounds):
        for server, port in {**ports, "nginx": nginx}.items():
            for path in (layout, pulled, served):
                shutil.rmtree(path, ignore_errors=True)
            config = make_image(layers=0).config
            layers = [Blob(OCI_LAYER, os.urandom(LAYER_SIZE)) for _ in range(LAYERS)]
            image = make_image(layers=0)
            image = type(image)(manifest_of(config, layers), config, tuple(layers), "amd64")
            write_layout(layout, image, "v1")
            address = f"docker://127.0.0.1:{port}/{REPOSITORY}:skopeo-{turn}"
            credentials = user if server == "ours" else ""
            if server == "nginx":
                _serve(layout, served / REPOSITORY, image, f"skopeo-{turn}")
            else:
                seconds = _copy(f"oci:{layout}:v1", address, "dest", credentials)
                pushes[server].append(seconds)
            # Into a layout skopeo copies several layers at once, as docker does.
            pulls[server].append(_copy(address, f"oci:{pulled}:v1", "src", credentials))
    both = {server: list(map(add, pushes[server], pulls[server])) for server in ports}
    # Of a pull nearly all is skopeo's own time, as nginx shows: it has no target by itself.
    for kind, found, target in (
        ("push", pushes, 1.2),
        ("pull", pulls, None),
        ("push and pull", both, 1.2),
    ):
        name = f"skopeo {kind}, {LAYERS} layers of 5 MiB, a minute"
        rates = {server: 60 / median(values) for server, values in found.items()}
        table.compared(name, rates["theirs"], rates["ours"], target, rates.get("nginx"))


def _serve(layout: Path, repository: Path, image: Image, tag: str) -> None:
    """Lay an image out as the paths that a client pulls it from."""
    (repository / "manifests").mkdir(parents=True)
    (repository / "manifests" / tag).write_bytes(image.manifest.data)
    shutil.move(layout / "blobs" / "sha256", repository / "blobs")
    for path in (repository / "blobs").iterdir():
        path.rename(path.with_name(f"sha256:{path.name}"))


def _copy(source: str, target: str, registry: str, credentials: str) -> float:
    """Copy an image with skopeo; return the seconds that it took.

    :param registry: the end that is one (``src``, ``dest``), which *credentials* are for.
    """
    options = [f"--{registry}-tls-verify=false"]
    if credentials:
        options += [f"--{registry}-creds", credentials]
    # What was written before is not on the disk's mind then.
    os.sync()
    started = time.perf_counter()
    skopeo = ["skopeo", "copy", "--quiet", "--preserve-digests"]
    subprocess.run([*skopeo, *options, source, target], check=True)
    return time.perf_counter() - started


def _memory(
    table: Table, server: ServerProcess, folder: Path, login: str, rest: int, minutes: float
) -> None:
    """Print the memory at rest, and how it grows under a load of reads and uploads."""
    blob = "sha256:" + hashlib.sha256((folder / "files" / "small").read_bytes()).hexdigest()
    requests = [
        _request(f"/v2/{REPOSITORY}/manifests/v1", login),
        _request(f"/v2/{REPOSITORY}/blobs/{blob}", login),
        _request(f"/v2/{REPOSITORY}/tags/list", login),
    ]
    memory = PeakMemory(server.pid)
    sizes = []
    until = time.monotonic() + minutes * 60
    while True:
        rate(server.port, requests, folder, seconds=5, clients=32)
        upload_rate(server.port, REPOSITORY, login, size=32 * MIB, clients=4)
        sizes.append(memory.measure())
        if time.monotonic() > until:
            break
    table.row("memory at rest, MiB", "", f"{rest / MIB:.0f}", "", "≤ 150", "")
    early, late = max(sizes[: max(1, len(sizes) // 4)]), max(sizes[-max(1, len(sizes) // 4) :])
    name = f"memory under load, after {minutes:g} minutes and early on, MiB"
    table.row(name, "", f"{late / MIB:.0f}", f"{late / early:.2f}", "≤ 1.1", f"{early / MIB:.0f}")
    if rest > 150 * MIB:
        table.missed.append(f"memory at rest: {rest / MIB:.0f} MiB")
    if late > 1.1 * early:
        table.missed.append(f"memory under load grew to {late / MIB:.0f} MiB")


def _password(login: str | None) -> str | None:
    return None if login is None else base64.b64decode(login).decode().partition(":")[2]

"""The servers that are compared: ours, Debian's docker-registry, nginx, moto_server, ministack."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.images import OCI_MANIFEST

START_SECONDS = 60
#: What must be there, and the Debian package that brings it.
COMMANDS = {
    "wrk": "wrk",
    "docker-registry": "docker-registry",
    "nginx": "nginx-light",
    "skopeo": "skopeo",
}
#: Where the emulators that ours is compared with are installed, each by itself.
VENVS = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "ecr-emulator-bench"


def missing_packages() -> list[str]:
    """Return the Debian packages that have to be installed first."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    return [package for name, package in COMMANDS.items() if shutil.which(name, path=path) is None]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def running(command: list[str], port: int, folder: Path) -> Iterator[int]:
    """Run a server for the length of the block, and yield its process id."""
    log = folder / f"{Path(command[0]).name}-{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, cwd=folder
        )
    try:
        until = time.monotonic() + START_SECONDS
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > until:
                sys.exit(f"{command[0]} did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.05)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def docker_registry(folder: Path) -> Iterator[int]:
    """CNCF's registry as Debian ships it: no authorization, a folder. Yields its port."""
    port = free_port()
    config = folder / "docker-registry.yml"
    config.write_text(
        "version: 0.1\n"
        "log: {accesslog: {disabled: true}, level: error}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder / 'docker-registry'}}},"
        " cache: {blobdescriptor: inmemory}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n"
    )
    with running(["docker-registry", "serve", str(config)], port, folder):
        yield port


@contextmanager
def nginx(folder: Path, files: Path) -> Iterator[int]:
    """nginx with sendfile and two workers, over *files*. Yields its port.

    What lies below ``v2`` is pulled from it as from a registry; a call of the API gets an answer
    that was there before.
    """
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(
        "worker_processes 2; daemon off; pid nginx.pid; error_log stderr;\n"
        "events { worker_connections 512; }\n"
        "http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;\n"
        "client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3;\n"
        "uwsgi_temp_path t4; scgi_temp_path t5;\n"
        f"server {{ listen 127.0.0.1:{port}; root {files};\n"
        "location = /v2/ { return 200; }\n"
        "location = / { default_type application/x-amz-json-1.1;"
        " return 200 '{\"repositories\":[]}'; }\n"
        f"location ~ /manifests/ {{ default_type {OCI_MANIFEST}; }} }} }}\n"
        # Files that only root may read are read by root.
        + ("user root;\n" if os.getuid() == 0 else "")
    )
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    with running([str(program), "-p", str(folder), "-c", str(config)], port, folder):
        yield port


def install(package: str) -> Path:
    """Install a package from PyPI into a virtual environment of its own; return its programs.

    :param package: what pip installs, with extras.
    """
    home = VENVS / package.partition("[")[0]
    stamp = home / "installed"
    if not stamp.exists():
        print(f"installing {package} …", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", package]
        subprocess.run(pip, check=True)
        stamp.touch()
    return home / "bin"


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True

"""A server as its users start it: ``python -m ecr_emulator serve`` in a process of its own."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import ssl
import subprocess
import sys
import time
from pathlib import Path

START_SECONDS = 60
STOP_SECONDS = 45  # the server itself gives requests in flight 30

_LISTENS = re.compile(r"listens on https?://(\S+):(\d+)")


class ServerFailed(Exception):
    """The server did not start or stop as it should. The text holds all that it printed."""


def environment(**variables: str) -> dict[str, str]:
    """Return this process's environment without its settings for us and for AWS, and with more."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ECR_EMULATOR_", "AWS_"))
    }
    return {**kept, **variables}


class ServerProcess:
    """Starts a server and waits until it is ready (``GET /v2/`` answers 401).

    :param data_dir: the data folder; it may hold what another server left there, or share it.
    :param port: the port; 0 takes a free one.
    :param variables: environment variables for it.
    :param settings: further settings, by their names: ``strict_ecr=True``, ``workers=1``.
    :raises ServerFailed: if it ends, or is not ready in time.
    """

    def __init__(
        self,
        data_dir: Path,
        port: int = 0,
        *,
        variables: dict[str, str] | None = None,
        **settings: object,
    ) -> None:
        self.data_dir = data_dir
        self._tls = bool(settings.get("tls"))
        ours = {"data_dir": data_dir, "port": port, "workers": 2, "companions": "off"}
        given = {**ours, **settings}
        data_dir.parent.mkdir(parents=True, exist_ok=True)
        self._log_path = data_dir.with_name(f"{data_dir.name}-{os.getpid()}-{id(self)}.log")
        with self._log_path.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ecr_emulator", "serve", *_flags(given)],
                env=environment(**(variables or {})),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # the ^C that stops the tests is not for the server
            )
        self.host, self.port = "", port
        try:
            self._wait_until_ready()
        except BaseException:
            self._end_group()
            raise

    @property
    def url(self) -> str:
        """The endpoint URL, without a slash at its end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}"

    @property
    def authority(self) -> Path:
        """The certificate that clients have to trust, of a server with ``tls=True``."""
        return self.data_dir / "tls" / "ca.crt"

    @property
    def pid(self) -> int:
        """The process id of the master."""
        return self._process.pid

    @property
    def log(self) -> str:
        """All that the server printed so far."""
        return self._log_path.read_text(errors="replace")

    @property
    def running(self) -> bool:
        """Whether the master is there."""
        return self._process.poll() is None

    def stop(self) -> int:
        """Ask it to stop (SIGTERM), wait, and return its exit status. Harmless when it is gone.

        :raises ServerFailed: if it does not end in time; it is killed then.
        """
        if self.running:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise ServerFailed(f"did not stop in {STOP_SECONDS} s\n{self.log}") from None
        finally:
            self._end_group()

    def kill(self) -> None:
        """End the master as a crash would (SIGKILL), and wait until the port is free again."""
        self._process.kill()
        self._process.wait()
        until = time.monotonic() + 10
        while self._status_of_v2() is not None:
            if time.monotonic() > until:
                self._end_group()
                raise ServerFailed(f"its workers outlived it\n{self.log}")
            time.sleep(0.02)

    def _wait_until_ready(self) -> None:
        until = time.monotonic() + START_SECONDS
        while True:
            if not self.running:
                raise ServerFailed(f"exited with status {self._process.returncode}\n{self.log}")
            found = _LISTENS.search(self.log)
            if found is not None:
                self.host, self.port = found[1].strip("[]"), int(found[2])
                if self._status_of_v2() == 401:
                    return
            if time.monotonic() > until:
                raise ServerFailed(f"not ready after {START_SECONDS} s\n{self.log}")
            time.sleep(0.02)

    def _status_of_v2(self) -> int | None:
        """Return the status of ``GET /v2/``, or nothing when nobody answers."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=10)
        if self._tls:
            context = ssl.create_default_context(cafile=self.authority)
            connection = http.client.HTTPSConnection(
                self.host, self.port, timeout=10, context=context
            )
        try:
            connection.request("GET", "/v2/")
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def _end_group(self) -> None:
        """Leave no process of it behind, whatever the test did."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def _flags(settings: dict[str, object]) -> list[str]:
    """Return settings as the command line takes them."""
    flags = []
    for name, value in settings.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            flags.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            flags += [f"--{flag}", str(value)]
    return flags

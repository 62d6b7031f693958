"""The docker command, one user at a time: each :class:`Docker` has logins of its own.

The daemon is found in this order: ``DOCKER_HOST``, the default socket, and else a private one by
``scripts/ci/dockerd`` (Linux, root), which ends with the test run.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

DOCKERD_SCRIPT = Path(__file__).parents[2] / "scripts" / "ci" / "dockerd"
TIMEOUT_SECONDS = 120


class DockerUnavailable(Exception):
    """No daemon can be used; the text says why and what would help."""


class DockerError(Exception):
    """A docker command that failed. Its text holds the command and all that it printed."""


class Docker:
    """The docker command with a configuration folder of its own.

    :param folder: an empty folder for logins and build contexts.
    :param host: the daemon's address (``DOCKER_HOST``); "" for the default socket.
    :param command: the docker command, of several that the machine may have.
    :param hosts: the file that the command and what it calls read as /etc/hosts (Linux, root).
    :param variables: further environment variables.
    """

    def __init__(
        self,
        folder: Path,
        host: str,
        *,
        command: str = "docker",
        hosts: Path | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self._folder = folder
        self._command = [command]
        if hosts is not None:
            mounted = 'mount --bind "$0" /etc/hosts; exec docker "$@"'
            self._command = [
                *("unshare", "--mount", "--propagation", "private"),
                *("sh", "-c", mounted, str(hosts)),
            ]
        self._environ = {
            **os.environ,
            "DOCKER_CONFIG": str(folder / "config"),
            # The classic builder: in the daemon itself, with no plugin and no container to run.
            "DOCKER_BUILDKIT": "0",
            **(variables or {}),
        }
        if host:
            self._environ["DOCKER_HOST"] = host
        (folder / "config").mkdir(parents=True)
        # With a file in place the command does not look for the desktop's own credential store.
        (folder / "config" / "config.json").write_text('{"auths": {}}')
        self._built: list[str] = []

    def run(self, *args: str, stdin: str | None = None) -> str:
        """Run ``docker ARGS`` and return what it printed.

        :raises DockerError: if it fails.
        """
        done = subprocess.run(
            [*self._command, *args],
            input=stdin,
            env=self._environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )
        if done.returncode != 0:
            raise DockerError(f"docker {' '.join(args)} (exit {done.returncode}):\n{done.stdout}")
        return done.stdout

    def build(self, reference: str, layers: int | Sequence[bytes] = 3, size: int = 5000) -> str:
        """Build an image FROM scratch and return its id.

        :param layers: how many layers of *size* random bytes, or the content of each.
        """
        contents = [os.urandom(size) for _ in range(layers)] if isinstance(layers, int) else layers
        context = self._folder / f"context-{len(self._built)}"
        context.mkdir()
        steps = ["FROM scratch"]
        for number, content in enumerate(contents):
            (context / f"file{number}").write_bytes(content)
            steps.append(f"COPY file{number} /file{number}")
        (context / "Dockerfile").write_text("\n".join(steps) + "\n")
        self.run("build", "--quiet", "--tag", reference, str(context))
        self._built.append(reference)
        return self.image_id(reference)

    def login(self, registry: str, password: str, username: str = "AWS") -> str:
        return self.run(
            "login", "--username", username, "--password-stdin", registry, stdin=password
        )

    def tag(self, reference: str, new: str) -> None:
        self.run("tag", reference, new)
        self._built.append(new)

    def push(self, reference: str) -> str:
        return self.run("push", reference)

    def pull(self, reference: str) -> str:
        printed = self.run("pull", reference)
        self._built.append(reference)
        return printed

    def remove(self, *references: str) -> None:
        """Remove local images, so that the next pull must fetch every layer."""
        self.run("rmi", "--force", *references)

    def image_id(self, reference: str) -> str:
        """Return the id of a local image: the digest of its config."""
        return self.run("image", "inspect", "--format", "{{.Id}}", reference).strip()

    def cleanup(self) -> None:
        """Remove every image that this object built, tagged or pulled."""
        for reference in self._built:
            try:
                self.remove(reference)
            except DockerError:
                continue  # the test removed it itself


def find_daemon(shared: Path, owner: int) -> str:
    """Return the address of a daemon to use ("" is docker's default), starting one if need be.

    :param shared: a folder common to all processes of the test run; of these only one starts it.
    :param owner: the process with which a daemon started here shall end.
    :raises DockerUnavailable: if there is none and none can be started.
    """
    if shutil.which("docker") is None:
        raise DockerUnavailable("the docker command is not installed")
    given = os.environ.get("DOCKER_HOST", "")
    if _answers():
        return given
    if given:
        raise DockerUnavailable(f"no docker daemon answers at DOCKER_HOST={given}")
    if shutil.which("dockerd") is None or os.geteuid() != 0:
        raise DockerUnavailable("no docker daemon answers, and starting one needs dockerd and root")
    # The whole run shares one daemon; it has the owner's number in its name, as a folder of the
    # test run may be too long a path for a socket.
    state = Path(os.environ.get("TMPDIR", "/tmp")) / f"ecr-emulator-dockerd-{owner}"
    with (shared / "dockerd.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        started = subprocess.run(
            [str(DOCKERD_SCRIPT), "start", "--dir", str(state), "--until-exit-of", str(owner)],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )
    if started.returncode != 0:
        raise DockerUnavailable(started.stderr.strip())
    return f"unix://{state}/docker.sock"


def folder_of_daemon(host: str) -> Path | None:
    """Return the folder of a daemon by ``scripts/ci/dockerd``: nothing if it is another.

    Such a daemon reads ``hosts`` there as /etc/hosts, and ``etc`` as /etc/docker.
    """
    folder = Path(host.removeprefix("unix://")).parent
    return folder if (folder / ".made-by-scripts-ci-dockerd").exists() else None


def _answers() -> bool:
    try:
        done = subprocess.run(
            ["docker", "version", "--format", "{{.Server.Version}}"],
            capture_output=True,
            timeout=15,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0

"""A registry client that is a command of its own: podman, crane, oras and the like."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

TIMEOUT_SECONDS = 120

_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
#: Where these commands look for a user's settings, and for a proxy (Go sends what is not called
#: "localhost" there).
_NOT_OURS = ("DOCKER_", "REGISTRY_", "HELM_", "ORAS_", "REGCTL_", "CONTAINERS_", "XDG_")


class ToolError(Exception):
    """A command that failed. Its text holds the command and all that it printed."""


class Tool:
    """A command with a home folder of its own.

    :param command: the command, with the options that every call of it needs; the test is skipped
        where it is not installed.
    :param home: the folder for its logins, settings and what it stores.
    """

    def __init__(
        self, command: Sequence[str], home: Path, variables: Mapping[str, str] | None = None
    ) -> None:
        if shutil.which(command[0]) is None:
            pytest.skip(f"{command[0]} is not installed")
        home.mkdir(parents=True, exist_ok=True)
        self.home = home
        self._command = list(command)
        self._environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(_NOT_OURS) and not name.lower().endswith("_proxy")
        }
        self._environ |= {"HOME": str(home), **(variables or {})}

    def run(self, *args: str, stdin: str | None = None) -> str:
        """Run the command in its home folder and return what it printed, errors too.

        :raises ToolError: if it fails.
        """
        done = subprocess.run(
            [*self._command, *args],
            input=stdin,
            cwd=self.home,
            env=self._environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )
        printed = _COLOURS.sub("", done.stdout)
        if done.returncode != 0:
            called = " ".join([self._command[0], *args])
            raise ToolError(f"{called} (exit {done.returncode}):\n{printed}")
        return printed

    def refused(self, *args: str, stdin: str | None = None) -> str:
        """Run the command, which must fail, and return what it printed."""
        with pytest.raises(ToolError) as error:
            self.run(*args, stdin=stdin)
        return str(error.value)

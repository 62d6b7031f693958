"""podman and buildah: images in a folder of the test's own, by the driver that runs everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.clients.tool import Tool, ToolError

_POLICY = '{"default": [{"type": "insecureAcceptAnything"}]}'
_STORAGE = '[storage]\ndriver = "vfs"\nrunroot = "{home}/run"\ngraphroot = "{home}/graph"\n'


def container_tool(command: Sequence[str], home: Path) -> Tool:
    """Return podman or buildah, logged in nowhere; the test is skipped where it cannot run.

    :param home: an empty folder; nothing of the machine's own settings and images is used.
    """
    home.mkdir(parents=True)
    settings = home / ".config" / "containers"
    settings.mkdir(parents=True)
    (settings / "policy.json").write_text(_POLICY)
    (home / "storage.conf").write_text(_STORAGE.format(home=home))
    (home / "registries.conf").write_text("unqualified-search-registries = []\n")
    (home / "auth.json").write_text("{}")
    tool = Tool(
        command,
        home,
        {
            "CONTAINERS_STORAGE_CONF": str(home / "storage.conf"),
            "CONTAINERS_REGISTRIES_CONF": str(home / "registries.conf"),
            "REGISTRY_AUTH_FILE": str(home / "auth.json"),
        },
    )
    try:
        tool.run("images")
    except ToolError as error:
        pytest.skip(f"{command[0]} cannot keep images here (it needs root): {error}")
    return tool

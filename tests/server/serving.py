"""Runs the production server with an application of the tests: ``python -m tests.server.serving``.

The one argument is a JSON object: ``make`` names a function of :mod:`tests.server.applications`, as
``helper`` does,
``settings`` are settings, the rest are arguments of :func:`ecr_emulator.server.run`.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from ecr_emulator import server, supervisor
from ecr_emulator.config import Settings
from tests.server import applications


def main(make: str, settings: dict[str, Any], **rest: Any) -> int:
    # What the command line does not offer, because nobody needs it but a test that cannot wait.
    if not rest.pop("ask_kernel", True):
        supervisor._ask_kernel = lambda: None
    if "helper" in rest:
        rest["helper"] = getattr(applications, rest["helper"])
    made = Settings(port=0, **settings)
    listener = server.listen(made.host, made.port)
    host, port = listener.getsockname()[:2]

    def on_ready() -> None:
        sys.stdout.write(f"ready at {host} {port}\n")
        sys.stdout.flush()

    return server.run(made, getattr(applications, make), listener, on_ready, **rest)


if __name__ == "__main__":
    sys.exit(main(**json.loads(sys.argv[1])))

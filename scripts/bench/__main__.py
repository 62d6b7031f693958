"""Compare this server with others, on this machine, in one run: ``make bench``.

    .venv/bin/python scripts/bench [oci] [json] [growth] [--rounds 3] [--seconds 3] [--minutes 10]

Each case is measured at each server in turn (A-B-A-B), and the medians are compared: on a machine
that others use too only the ratios mean something. Fails when a target is missed. Needs Debian's
packages docker-registry, wrk, nginx-light and skopeo; moto_server and ministack are installed into
virtual environments of their own below ~/.cache.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

import growth  # noqa: E402
import json_door  # noqa: E402
import oci  # noqa: E402
import servers  # noqa: E402
from results import fail_if  # noqa: E402

PARTS = ("oci", "json", "growth")


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", help="oci, json, growth (default: all)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3, help="of each measurement")
    parser.add_argument("--minutes", type=float, default=10, help="of load, for the memory")
    parser.add_argument("--dir", help="where the data goes while the bench lasts")
    options = parser.parse_args()
    parts = options.parts or PARTS
    if not set(parts) <= set(PARTS):
        parser.error(f"parts are {', '.join(PARTS)}")
    missing = servers.missing_packages()
    if missing:
        sys.exit(f"missing: apt-get install {' '.join(missing)}")
    processors = len(os.sched_getaffinity(0))
    print(f"{processors} processors, load {os.getloadavg()[0]:.1f} before the start")
    missed: list[str] = []
    with tempfile.TemporaryDirectory(dir=options.dir) as name:
        folder = Path(name)
        folder.chmod(0o755)  # nginx's workers have a user of their own
        timing = (options.seconds, options.rounds)
        if "oci" in parts:
            missed += oci.run(folder, *timing, options.minutes)
        if "json" in parts:
            missed += json_door.run(folder, *timing)
        if "growth" in parts:
            missed += growth.run(folder, *timing)
    fail_if(missed)


if __name__ == "__main__":
    main()

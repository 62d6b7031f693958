"""``python -m ecr_emulator`` is the command ``ecr-emulator``."""

from __future__ import annotations

from ecr_emulator.cli import main

if __name__ == "__main__":
    main(prog_name="ecr-emulator")

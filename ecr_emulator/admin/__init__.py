"""Control endpoints under ``/_emulator/``."""

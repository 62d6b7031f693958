"""All readers; a file is read by the first that wants it."""

from __future__ import annotations

from ecr_emulator.scanning.apk import ApkReader
from ecr_emulator.scanning.dpkg import DpkgReader
from ecr_emulator.scanning.golang import GoReader
from ecr_emulator.scanning.java import JavaReader
from ecr_emulator.scanning.npm import NpmReader
from ecr_emulator.scanning.os_release import OsReleaseReader
from ecr_emulator.scanning.packages import Reader
from ecr_emulator.scanning.python_packages import PythonReader
from ecr_emulator.scanning.rpm import RpmReader

#: Of the operating system.
SYSTEM_READERS: tuple[Reader, ...] = (
    OsReleaseReader(),
    DpkgReader(),
    ApkReader(),
    RpmReader(),
)
#: Of the operating system and of languages. Go's comes last: it looks into any program.
READERS: tuple[Reader, ...] = (
    *SYSTEM_READERS,
    PythonReader(),
    NpmReader(),
    JavaReader(),
    GoReader(),
)

"""The OCI distribution specification's own conformance suite, built by Go and run at servers."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.clients.caller import Caller
from tests.support.server import ServerProcess

MODULE = "github.com/opencontainers/distribution-spec/conformance"
REPOSITORIES = ("conformance/repo1", "conformance/repo2")
BUILD_SECONDS = 600
RUN_SECONDS = 300

#: What the suite leaves out by default and this registry has. Left out are manifests that name
#: what is not there (ECR: ReferencedImagesNotFoundException, LayersNotFoundException) and tags as
#: parameters of a manifest's PUT (not in version 1.1, nor in ECR).
SWITCHED_ON = {
    "OCI_API_BLOBS_UPLOAD_CANCEL": "true",
    "OCI_API_BLOBS_DIGEST_HEADER": "true",
    "OCI_API_MANIFESTS_DIGEST_HEADER": "true",
}

_COUNT = re.compile(r"^  (Disabled|Skip|Pass|FAIL|Error)\.*: +(\d+)$", re.MULTILINE)
_AREA = re.compile(r"^  (\S.*?)\.*: +(Disabled|Skip|Pass|FAIL|Error)$", re.MULTILINE)
_FAILED = re.compile(
    r"^ *OCI Conformance Test/(.*): (?:FAIL|Error)\n((?: *- .*\n(?:(?! *OCI ).*\n)*)+)",
    re.MULTILINE,
)

#: Where ECR departs from the specification: what the suite says of each under --strict-ecr, and
#: how the areas end that only this keeps from passing. ``tests/oci/test_strict_ecr.py`` holds
#: these answers down one by one.
#:
#: * a chunk is answered 201, not 202;
#: * a tag is no position in the list of tags: only ECR's own token is;
#: * blobs cannot be deleted (the suite takes 405 as "not supported");
#: * a mount that names no repository begins an upload, as the specification allows (of ECR it is
#:   not known; the suite counts it as a skip).
ECR_DEPARTS = (
    "blob patch failed: unexpected status code, expected one of [202], received 201",
    "unexpected status code, expected one of [200], received 405",
)
ECR_LEAVES_OUT = {"Blob delete", "Blob delete atomic", "Blob anonymous mount"}


class SuiteUnavailable(Exception):
    """The suite cannot be built here; the text says why."""


@dataclass(frozen=True)
class Results:
    """What the suite found.

    :ivar version: of the suite's module.
    :ivar counts: how many of its tests ended so, by its own words (``Pass``, ``FAIL``, …).
    :ivar areas: how each of its areas ended: parts of the API, then kinds of data.
    :ivar failures: what it printed of each test that failed, by the test's name.
    """

    version: str
    counts: dict[str, int]
    areas: dict[str, str]
    failures: dict[str, str]

    def ended(self, how: str) -> set[str]:
        """Return the areas that ended as *how* says."""
        return {area for area, status in self.areas.items() if status == how}


class Suite:
    """The suite as a program in a folder of its own.

    :param folder: where it is built; Go's caches make a second build quick.
    :raises SuiteUnavailable: there is no Go, or it did not build.
    """

    def __init__(self, folder: Path) -> None:
        if shutil.which("go") is None:
            raise SuiteUnavailable("Go is not installed, so the conformance suite cannot be built")
        self._folder = folder
        self._program = folder / "conformance"
        self._go("mod", "init", "conformance.test")
        self._go("get", f"{MODULE}@latest")
        self._go("build", "-o", str(self._program), MODULE)
        self.version = self._go("list", "-m", "-f", "{{.Version}}", MODULE).strip()

    def run(self, server: ServerProcess) -> Results:
        """Run it at a server, in an account of its own, and return what it found."""
        caller = Caller(server.url, self._folder)
        for repository in REPOSITORIES:
            caller.create_repository(repository)
        caller.ecr.put_account_setting(name="BLOB_MOUNTING", value="ENABLED")
        with tempfile.TemporaryDirectory(dir=self._folder) as reports:
            settings = {
                "OCI_VERSION": "1.1",
                "OCI_REGISTRY": caller.registry,
                "OCI_TLS": "disabled",
                "OCI_REPO1": REPOSITORIES[0],
                "OCI_REPO2": REPOSITORIES[1],
                "OCI_USERNAME": "AWS",
                "OCI_PASSWORD": caller.password(),
                "OCI_LOG": "error",
                "OCI_RESULTS_DIR": reports,
                **SWITCHED_ON,
            }
            others = {name: value for name, value in os.environ.items() if name[:4] != "OCI_"}
            done = subprocess.run(
                [str(self._program)],
                cwd=reports,
                env={**others, **settings},
                capture_output=True,
                text=True,
                timeout=RUN_SECONDS,
            )
        return _read(self.version, done.stdout, done.stderr)

    def _go(self, *arguments: str) -> str:
        try:
            done = subprocess.run(
                ["go", *arguments],
                cwd=self._folder,
                env={**os.environ, "GOFLAGS": "-buildvcs=false -mod=mod", "GOWORK": "off"},
                capture_output=True,
                text=True,
                timeout=BUILD_SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise SuiteUnavailable(f"go {arguments[0]} took over {BUILD_SECONDS} s") from None
        if done.returncode != 0:
            raise SuiteUnavailable(f"go {' '.join(arguments)} failed: {done.stderr.strip()[-600:]}")
        return done.stdout


def faults(results: Results, *, strict_ecr: bool) -> list[str]:
    """Return what is wrong with the results, a line each: nothing when all is as it should be."""
    found = [
        f"{name}: {text}"
        for name, text in results.failures.items()
        if not (strict_ecr and any(known in text for known in ECR_DEPARTS))
    ]
    failed = results.counts["FAIL"] + results.counts["Error"]
    if failed != len(results.failures):
        found.append(f"{failed} failures, of which {len(results.failures)} could be read")
    if results.counts["Skip"] and not strict_ecr:
        found.append(f"{results.counts['Skip']} tests were skipped")
    if results.counts["Pass"] < 500:  # of 860; the suite once ended well having run nothing
        found.append(f"only {results.counts['Pass']} tests passed")
    left_out = results.ended("Skip")
    if left_out != (ECR_LEAVES_OUT if strict_ecr else set()):
        found.append(f"skipped: {', '.join(sorted(left_out))}")
    return found


def _read(version: str, printed: str, errors: str) -> Results:
    """Read what the suite printed: the tests' tree, the counts, then the areas."""
    counts = {status: int(count) for status, count in _COUNT.findall(printed)}
    if not counts:
        raise RuntimeError(f"the suite printed no counts: {errors[-600:]}")
    areas = dict(_AREA.findall(printed.partition("API conformance:")[2]))
    failures = {name: text.strip() for name, text in _FAILED.findall(printed)}
    return Results(version, counts, areas, failures)

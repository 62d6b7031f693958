"""The conformance suite of the OCI distribution specification, at a server as users start it."""

from __future__ import annotations

import pytest

from tests.conformance.suite import Suite, SuiteUnavailable, faults
from tests.conftest import MakeServer


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    """The newest suite; the test is skipped where it cannot be built."""
    try:
        return Suite(tmp_path_factory.mktemp("suite"))
    except SuiteUnavailable as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("strict_ecr", [False, True], ids=["default", "strict-ecr"])
def test_conformance(suite: Suite, make_server: MakeServer, strict_ecr: bool) -> None:
    results = suite.run(make_server(strict_ecr=strict_ecr))
    assert faults(results, strict_ecr=strict_ecr) == []

"""Every operation under inputs made from its shapes: nothing but answers that its model has.

Hypothesis makes inputs that the model allows and inputs that are near that, and sends them in
process to an emulator with something of everything in it. An answer is good if it is the
operation's output with every value as the model wants it, or one of the operation's errors, or
one of those that every AWS service has. The seeds are fixed: a run is the same each time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from ecr_emulator.aws.model import load_service
from tests.aws.model_answers import wrong_values
from tests.aws.operation_inputs import inputs, nearly_valid
from tests.aws.strategies import as_json, described, operation_names, shape_name
from tests.support.prepared import Prepared

EXAMPLES = 80
#: What any operation may answer besides what its model gives it.
OF_EVERY_SERVICE = {"SerializationException", "AccessDeniedException"}

_reproducibly = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    """An emulator with something of everything in it."""
    made = Prepared(tmp_path_factory.mktemp("fuzz") / "data")
    yield made
    made.close()


def fault(prepared: Prepared, service: str, operation: str, body: bytes) -> str | None:
    """Make a call, and tell what is wrong with its answer."""
    described_operation = described(service)["operations"][operation]
    status, answer = prepared.app.call(
        operation, body, target=load_service(service).target_prefix, service=service
    )
    if status == 200:
        prepared.restore()
        if not isinstance(answer, dict):
            return f"the answer is no object: {answer!r}"
        return next(wrong_values(service, shape_name(service, operation, "output"), answer), None)
    modelled = {error["shape"] for error in described_operation["errors"]}
    code = answer.get("__type")
    if status != 400:
        return f"status {status}: {answer!r}"
    if code not in modelled | OF_EVERY_SERVICE:
        return f"{code} is no error of the operation: {answer!r}"
    if code in modelled:
        members = {name: value for name, value in answer.items() if name != "__type"}
        return next(wrong_values(service, code, members), None)
    return None


def check(prepared: Prepared, service: str, operation: str, value: Any) -> None:
    body = json.dumps(as_json(value)).encode()
    found = fault(prepared, service, operation, body)
    assert found is None, f"{service} {operation} {body[:3000].decode()}: {found}"


@pytest.mark.parametrize(("service", "operation"), operation_names())
def test_only_modelled_answers(prepared: Prepared, service: str, operation: str) -> None:
    valid = inputs(service, operation, prepared.known[service])

    @_reproducibly
    @given(nearly_valid(valid))
    def try_out(value: Any) -> None:
        check(prepared, service, operation, value)

    try_out()

"""Every operation is served and proved, and nothing is new in the models: told by name.

Which tests prove what is in ``proofs.json``, which the tests are held to while they run
(:mod:`tests.support.sightings_plugin`).
"""

from __future__ import annotations

import copy
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.aws.strategies import SERVICES, described, operation_names
from tests.support.inventory import news, read_inventory, take_inventory
from tests.support.proofs import SERVED, UNPROVEN, lost, read_proofs, to_be_seen, unproven

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("service", "operation"), operation_names())
def test_an_operation_is_served_and_proved(service: str, operation: str) -> None:
    assert operation not in SERVED[service].missing()
    assert unproven(service, operation, read_proofs()) == []


def test_nothing_else_is_claimed() -> None:
    proofs = read_proofs()
    assert sorted(proofs) == sorted(f"{service}.{name}" for service, name in operation_names())
    for service, operation in operation_names():
        for test, names in proofs[f"{service}.{operation}"].items():
            assert set(names) <= to_be_seen(service, operation), test


@cache
def source(path: str) -> str:
    return (ROOT / path).read_text()


def test_the_tests_that_are_claimed_to_prove_it_are_there() -> None:
    for tests in read_proofs().values():
        for test in tests:
            path, *names = re.sub(r"\[.*", "", test, flags=re.DOTALL).split("::")
            for name in names:
                assert re.search(rf"(class|def) {name}\b", source(path)), test


def test_a_claim_about_a_test_that_is_gone_is_told() -> None:
    claimed = ["a.py::test_one", "a.py::test_two[x]", "b.py::test_three"]
    assert lost(claimed, ["a.py::test_one", "a.py::test_two[y]"]) == ["a.py::test_two[x]"]


def test_what_cannot_be_proved_is_of_the_models_and_not_proved_after_all() -> None:
    """Or the list of excuses would outlive them."""
    proofs = read_proofs()
    for entry in UNPROVEN:
        for key in entry.operations.split():
            service, _, operation = key.partition(".")
            names = set(entry.what.split(", ")) & to_be_seen(service, operation)
            assert names, (key, entry.what)
            seen = {name for proved in proofs[key].values() for name in proved}
            assert not names & seen, key


def test_botocore_brings_nothing_new() -> None:
    models = {service: described(service) for service in SERVICES}
    new = news(read_inventory(), take_inventory(models))
    assert not new, (
        "the installed botocore knows what this emulator was not made for; once it is served and "
        f"has tests, run scripts/docs/proofs: {', '.join(new)}"
    )


def test_what_a_newer_botocore_brings_is_told_by_name() -> None:
    models = {service: copy.deepcopy(described(service)) for service in SERVICES}
    shapes = models["ecr"]["shapes"]
    shapes["Note"] = {"type": "string", "enum": ["GOOD", "BAD"]}
    shapes["ListImagesRequest"]["members"]["note"] = {"shape": "Note"}
    shapes["Image"]["members"]["notes"] = {"shape": "NoteList"}
    shapes["NoteList"] = {"type": "list", "member": {"shape": "Note"}}
    shapes["OutOfPaperException"] = {
        "type": "structure",
        "members": {"message": {"shape": "Note"}, "tray": {"shape": "RegistryId"}},
        "exception": True,
    }
    shapes["EncryptionType"]["enum"].append("ROT13")
    operations = models["ecr"]["operations"]
    operations["TagResource"]["errors"].append({"shape": "OutOfPaperException"})
    operations["PrintImage"] = {**operations["TagResource"], "name": "PrintImage"}
    new = news(read_inventory(), take_inventory(models))
    assert {name for name in new if "EncryptionType" not in name and "ROT13" not in name} == {
        "ecr.BatchGetImage: output images[].notes[]",
        "ecr.BatchGetImage: output images[].notes[] = BAD",
        "ecr.BatchGetImage: output images[].notes[] = GOOD",
        "ecr.ListImages: input note",
        "ecr.ListImages: input note = BAD",
        "ecr.ListImages: input note = GOOD",
        "ecr.PrintImage",
        "ecr.PutImage: output image.notes[]",
        "ecr.PutImage: output image.notes[] = BAD",
        "ecr.PutImage: output image.notes[] = GOOD",
        "ecr.TagResource: error OutOfPaperException",
        "ecr.TagResource: error OutOfPaperException.message",
        "ecr.TagResource: error OutOfPaperException.message = BAD",
        "ecr.TagResource: error OutOfPaperException.message = GOOD",
        "ecr.TagResource: error OutOfPaperException.tray",
    }
    assert "ecr.CreateRepository: input encryptionConfiguration.encryptionType = ROT13" in new


def test_the_documents_are_not_stale() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "docs" / "operations"), "--check"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr

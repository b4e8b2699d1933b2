"""Hookgate's own checks judge the corpus as it is marked; tests/cluster/test_crd.py holds an API server to it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hookgate.config.document import InvalidDocument, read_documents
from hookgate.config.manifest import crd, load_endpoint
from hookgate.model.endpoint import InvalidSpec
from hookgate.model.parse import parse_endpoint
from tests.corpus.corpus import Case, cases

CASES = cases()


def read(case: Case) -> Any:
    """Read a case as a folder of manifests would."""
    return read_documents(case.text)[0] if case.is_yaml else json.loads(case.text)


def error_fields(case: Case) -> list[str]:
    """Return where the errors are; empty for a manifest that is taken."""
    try:
        parse_endpoint(load_endpoint(read(case)))
    except InvalidSpec as error:
        return [each.field for each in error.errors]
    except InvalidDocument as error:
        return list(error.errors)
    return []


@pytest.mark.parametrize("case", [each for each in CASES if each.valid], ids=lambda case: case.name)
def test_takes(case: Case) -> None:
    """A valid manifest is taken."""
    assert error_fields(case) == []


@pytest.mark.parametrize("case", [each for each in CASES if not each.valid], ids=lambda case: case.name)
def test_refuses(case: Case) -> None:
    """An invalid manifest is refused, at the field that is wrong."""
    fields = error_fields(case)
    assert fields
    assert [field for field in fields if field.startswith(case.field) or (case.is_yaml and case.field in field)], fields


def test_every_case_says_something_else() -> None:
    """No two cases have one name, and none has the content of another."""
    assert len({case.name for case in CASES}) == len(CASES)
    assert len({case.text for case in CASES}) == len(CASES)


def test_every_rule_of_the_crd_is_broken_by_some_case() -> None:
    """Each CEL message of the CRD is what our own check says about at least one case."""
    told = set()
    for case in CASES:
        try:
            parse_endpoint(load_endpoint(read(case)))
        except InvalidSpec as error:
            told |= {each.message for each in error.errors}
        except InvalidDocument:
            continue
    assert cel_messages(crd()) - told == set()


def cel_messages(schema: Any) -> set[str]:
    """Return the messages of all CEL rules below ``schema``."""
    if isinstance(schema, list):
        return set().union(*map(cel_messages, schema))
    if not isinstance(schema, dict):
        return set()
    own = {rule["message"] for rule in schema.get("x-kubernetes-validations", ())}
    return own.union(*map(cel_messages, schema.values()))

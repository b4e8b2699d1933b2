"""Golden pairs: what users apply, and everything that comes of it, as files to read side by side.

``NAME.in.yaml`` holds the platform's configuration and what is applied, in order; after each endpoint there is a look.
``NAME.out.yaml`` holds the writes of each look and all objects in the end. ``pytest tests/control --update-golden``
rewrites the second halves; what they then say is for people to judge.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.control.picture import masked, objects
from tests.control.stage import Stage

FOLDER = Path(__file__).parents[1] / "golden"
CASES = sorted(path.name.removesuffix(".in.yaml") for path in FOLDER.glob("*.in.yaml"))


def outcome(documents: list[dict[str, Any]]) -> str:
    """Apply the documents one after another and return all that comes of them, as YAML."""
    stage, looks = Stage(), []
    for document in documents:
        match document["kind"]:
            case "HookgateConfiguration":
                stage.configure(yaml.safe_dump(document))
            case "WebhookEndpoint":
                meta = document["metadata"]
                stage.declare(meta["name"], namespace=meta["namespace"], **document["spec"])
                for annotation, value in meta.get("annotations", {}).items():
                    stage.annotate(annotation, value, meta["name"])
                looks.append({"writes": stage.settle(meta["name"], meta["namespace"])})
            case _:
                stage.world.put(document)
    events = [{"events": [" ".join(event) for event in stage.world.events]}]
    made = [yaml.safe_dump(each, width=110) for each in objects(stage.world) if not _given(each, documents)]
    return masked("---\n".join([yaml.safe_dump([*looks, *events], width=110), *made]))


def _given(obj: dict[str, Any], documents: list[dict[str, Any]]) -> bool:
    """Tell whether an object is one that was applied and that nobody has to do with afterwards."""
    names = [(d["kind"], d["metadata"]["name"]) for d in documents if d["kind"] in ("Secret", "Service")]
    return (obj["kind"], obj["metadata"]["name"]) in names


@pytest.mark.parametrize("name", CASES)
def test_what_comes_of_it_is_as_written_down(name: str, request: pytest.FixtureRequest) -> None:
    given = (FOLDER / f"{name}.in.yaml").read_text(encoding="utf-8")
    expected = FOLDER / f"{name}.out.yaml"
    actual = outcome([d for d in yaml.safe_load_all(given) if d is not None])
    if request.config.getoption("--update-golden", default=False):
        expected.write_text(actual, encoding="utf-8")
    assert expected.is_file(), "run `pytest tests/control --update-golden` and judge what it writes"
    assert actual == expected.read_text(encoding="utf-8")


def test_there_are_golden_pairs_and_no_halves() -> None:
    assert CASES
    assert sorted(path.name.removesuffix(".out.yaml") for path in FOLDER.glob("*.out.yaml")) == CASES

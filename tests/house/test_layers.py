"""The house keeps its rules, and every rule is able to notice a breach."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.house import rules
from tests.house.source import ROOT, SOURCE, Module, functions, hookgate, imports, module, of_tests, tracked

Rule = Callable[[Module], Iterator[str]]

RULES: tuple[Rule, ...] = (
    rules.layers,
    rules.libraries,
    rules.purity,
    rules.static_imports,
    rules.size,
    rules.charter,
    rules.silence,
    rules.constant_time,
)
RULES_OF_TESTS: tuple[Rule, ...] = (rules.size, rules.charter)

#: One breach a line: the rule, the module it stands in, its text.
BREACHES: tuple[tuple[Rule, str, str], ...] = (
    (rules.layers, "hookgate.model.x", "import hookgate.scheme.verify"),
    (rules.layers, "hookgate.model.x", "from hookgate import kube"),
    (rules.layers, "hookgate.model.x", "from ..config import load"),
    (rules.layers, "hookgate.scheme.x", "from hookgate.config.load import parse_config"),
    (rules.layers, "hookgate.config.x", "from hookgate.kube.api import Api"),
    (rules.layers, "hookgate.control.x", "def f():\n    from hookgate.receiver import table"),
    (rules.layers, "hookgate.receiver.x", "from hookgate.control import decide"),
    (
        rules.layers,
        "hookgate.receiver.x",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import hookgate.cli",
    ),
    (rules.layers, "hookgate.attic.x", ""),
    (rules.layers, "hookgate", "from hookgate.model import binding"),
    (rules.libraries, "hookgate.model.x", "import yaml"),
    (rules.libraries, "hookgate.scheme.x", "import jsonschema"),
    (rules.libraries, "hookgate.control.x", "from kubernetes.aio import client"),
    (rules.libraries, "hookgate.control.x", "import kopf"),
    (rules.libraries, "hookgate.receiver.x", "import kopf"),
    (rules.libraries, "hookgate.cli.x", "import kubernetes"),
    (rules.purity, "hookgate.model.x", "import time"),
    (rules.purity, "hookgate.scheme.x", "from secrets import token_bytes"),
    (rules.purity, "hookgate.scheme.x", "from urllib import request"),
    (rules.purity, "hookgate.config.platform", "import os.path"),
    (rules.purity, "hookgate.control.decide", "import asyncio"),
    (rules.purity, "hookgate.control.status", "import datetime\nnow = datetime.datetime.now(datetime.UTC)"),
    (rules.purity, "hookgate.receiver.auth", "text = open('x').read()"),
    (rules.static_imports, "hookgate.cli.x", "import importlib\nimportlib.import_module('kopf')"),
    (rules.static_imports, "hookgate.cli.x", "__import__('kopf')"),
    (rules.size, "hookgate.model.x", "x = 1\n" * 401),
    (rules.size, "hookgate.model.x", "class C:\n    async def f(self):\n" + "        x = 1\n" * 60),
    (rules.charter, "hookgate.model.x", "x = 1"),
    (rules.silence, "hookgate.control.x", "print('hello')"),
    (rules.constant_time, "hookgate.scheme.x", "same = key.value.reveal() == given"),
    (rules.constant_time, "hookgate.scheme.x", "same = given in (other, ) or given != key.reveal()"),
)

#: What looks like a breach and is none.
FINE: tuple[tuple[Rule, str, str], ...] = (
    (rules.layers, "hookgate.cli.x", "from hookgate.control import decide\nfrom hookgate.receiver import auth"),
    (rules.layers, "hookgate.model.x", "from hookgate import __version__\nfrom .binding import decode"),
    (rules.layers, "hookgate.__main__", "from hookgate.cli.main import main"),
    (rules.libraries, "hookgate.control.handlers", "import kopf"),
    (rules.libraries, "hookgate.kube.api", "from kubernetes.aio import client"),
    (rules.purity, "hookgate.control.reconcile", "import asyncio\nimport time"),
    (rules.purity, "hookgate.scheme.x", "import hmac\nfrom urllib.parse import parse_qsl\nimport timeit_like"),
    (rules.size, "hookgate.model.x", "def f():\n" + "    x = 1\n" * 59),
    (rules.silence, "hookgate.cli.x", "print('hello')"),
    (rules.constant_time, "hookgate.scheme.x", "same = hmac.compare_digest(key.reveal(), given)"),
)


def name_of(value: object) -> str:
    """Name a parameter in a test's id."""
    return getattr(value, "__name__", str(value))[:60]


@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_the_package_keeps_the_rule(rule: Rule) -> None:
    """No module of the package breaks it."""
    assert "\n".join(breach for subject in hookgate() for breach in rule(subject)) == ""


@pytest.mark.parametrize("rule", RULES_OF_TESTS, ids=name_of)
def test_the_tests_keep_the_rule(rule: Rule) -> None:
    """No module of the tests breaks it."""
    assert "\n".join(breach for subject in of_tests() for breach in rule(subject)) == ""


@pytest.mark.parametrize(("rule", "name", "text"), BREACHES, ids=name_of)
def test_the_rule_notices_a_breach(rule: Rule, name: str, text: str) -> None:
    """A rule that cannot fail holds nothing."""
    assert len(list(rule(module(name, text)))) >= 1


@pytest.mark.parametrize(("rule", "name", "text"), FINE, ids=name_of)
def test_the_rule_lets_pass_what_is_fine(rule: Rule, name: str, text: str) -> None:
    """A rule that cries wolf gets switched off."""
    assert list(rule(module(name, text))) == []


def test_relative_imports_are_resolved() -> None:
    """A relative import counts from the package that it stands in."""
    inner = module("hookgate.model.endpoint", "from . import binding\nfrom ..kube.api import Api")
    package = module("hookgate.model", "from .binding import decode", package=True)
    assert [name for name, _ in imports(inner)] == ["hookgate.model.binding", "hookgate.kube.api.Api"]
    assert [name for name, _ in imports(package)] == ["hookgate.model.binding.decode"]


def test_the_reading_is_not_of_an_empty_house() -> None:
    """The rules above looked at the package's real modules."""
    names = {subject.name for subject in hookgate()}
    assert {"hookgate", "hookgate.model.binding", "hookgate.model.sensitive"} <= names


def test_the_exceptions_still_name_something() -> None:
    """An exception from the function length that nothing uses any more is removed."""
    known = {name for subject in [*hookgate(), *of_tests()] for name, _ in functions(subject)}
    assert set(rules.LONG_FUNCTIONS) - known == set()


def test_the_source_root_is_no_package() -> None:
    """With an __init__.py, operator/ on the path would shadow the standard library's `operator`."""
    assert not (SOURCE / "__init__.py").exists()
    command = [sys.executable, "-c", "import operator; print(operator.__file__, operator.itemgetter)"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert str(ROOT) not in answer.split()[0]


def test_no_file_names_a_place_on_one_machine() -> None:
    """What the project says holds everywhere."""
    found: list[str] = []
    for path in tracked():
        content = path.read_bytes()
        if b"\0" not in content:
            found += rules.places(str(path.relative_to(ROOT)), content.decode("utf-8", "replace"))
    assert "\n".join(found) == ""


@pytest.mark.parametrize("place", ["root", "home", "Users", "work"])
def test_a_place_on_one_machine_is_noticed(place: str) -> None:
    """The search finds a path wherever a line holds it."""
    assert len(list(rules.places("x", f"see '/{place}/somebody/x'"))) == 1


@pytest.mark.parametrize("text", ["https://example.com/home/x", "framework/root/", "$HOME/work/x"])
def test_part_of_a_longer_path_is_no_place(text: str) -> None:
    """URLs and relative paths are not places on a machine."""
    assert list(rules.places("x", text)) == []

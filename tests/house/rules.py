"""The rules of the house as functions from one module to its violations, each a line of text.

Tables stand first and are the specification: change a rule here and nowhere else.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase

from tests.house.source import Module, functions, imports

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60

#: Functions that may be longer, each with its reason. Empty is the goal.
LONG_FUNCTIONS: dict[str, str] = {}

#: Which layers a layer may import besides itself. The root package holds the version only, for everyone.
LAYERS: dict[str, frozenset[str]] = {
    "model": frozenset(),
    "scheme": frozenset({"model"}),
    "config": frozenset({"model"}),
    "kube": frozenset({"model"}),
    "control": frozenset({"model", "scheme", "config", "kube"}),
    "receiver": frozenset({"model", "scheme", "config", "kube"}),
    "cli": frozenset({"model", "scheme", "config", "kube", "control", "receiver"}),
}

#: Which packages beyond the standard library a layer may import.
LIBRARIES: dict[str, frozenset[str]] = {
    "": frozenset(),
    "model": frozenset(),
    "scheme": frozenset({"cryptography", "joserfc", "yaml"}),
    "config": frozenset({"jsonschema", "yaml"}),
    "kube": frozenset({"aiohttp", "kubernetes", "yaml", "yarl"}),
    "control": frozenset({"aiohttp", "prometheus_client", "yaml", "yarl"}),
    "receiver": frozenset(
        {"aiohappyeyeballs", "hiredis", "httptools", "prometheus_client", "uvicorn", "uvloop", "yaml"}
    ),
    "cli": frozenset({"aiohttp", "yaml", "yarl"}),
}

#: Libraries that single modules may import on top of their layer's.
LIBRARIES_OF_MODULES: dict[str, frozenset[str]] = {
    "hookgate.control.handlers": frozenset({"kopf"}),
    "hookgate.cli.operator": frozenset({"kopf"}),
}

#: Modules that compute and do nothing else: clock, randomness and environment are passed in.
PURE = (
    "hookgate.model*",
    "hookgate.scheme*",
    "hookgate.config*",
    "hookgate.control.calls",
    "hookgate.control.authority",
    "hookgate.control.backup",
    "hookgate.control.checks*",
    "hookgate.control.decide*",
    "hookgate.control.deployment",
    "hookgate.control.exposed",
    "hookgate.control.freeing",
    "hookgate.control.installation",
    "hookgate.control.keys",
    "hookgate.control.names",
    "hookgate.control.next_binding",
    "hookgate.control.objects*",
    "hookgate.control.removal",
    "hookgate.control.signing",
    "hookgate.control.routes",
    "hookgate.control.replay",
    "hookgate.control.status*",
    "hookgate.control.sweep",
    "hookgate.control.values",
    "hookgate.receiver.answers",
    "hookgate.receiver.auth",
    "hookgate.receiver.circuit",
    "hookgate.receiver.load",
    "hookgate.receiver.guard",
    "hookgate.receiver.replay",
    "hookgate.receiver.respond",
    "hookgate.receiver.steps",
)

# fmt: off
EFFECTS = frozenset((
    "aiohttp", "asyncio", "concurrent", "contextvars", "ctypes", "fcntl", "getpass", "glob", "http", "httptools", "io",
    "kopf", "kubernetes", "logging", "multiprocessing", "os", "pathlib", "platform", "queue", "random", "sched",
    "secrets", "select", "selectors", "shutil", "signal", "socket", "socketserver", "ssl", "subprocess", "sys",
    "tempfile", "threading", "time", "urllib.request", "uuid", "uvicorn", "uvloop",
))
# fmt: on

#: Calls that read the clock or a file without any import that would betray them.
EFFECT_CALLS = re.compile(r"(^|\.)(datetime|date)\.(now|utcnow|today)$|^(open|input|breakpoint)$")

#: Places on somebody's machine.
PLACES = re.compile(r"(?<![\w.~$})-])/(root|home|Users|work|private/tmp)/(?=\w)|(?<![\w.])/tmp/\w+/venv")


def layers(subject: Module) -> Iterator[str]:
    """A layer imports only itself and the layers below it."""
    allowed = LAYERS.get(subject.layer, frozenset()) | {subject.layer}
    if subject.layer and subject.layer not in LAYERS:
        yield f"{subject.name}: a layer that the house does not know"
    for name, line in imports(subject):
        parts = name.split(".")
        if parts[0] != "hookgate" or (len(parts) > 1 and parts[1].startswith("__")):
            continue
        target = parts[1] if len(parts) > 1 else ""
        if target in LAYERS and target not in allowed:
            yield f"{subject.name}:{line}: {subject.layer or 'the root package'} may not import {name}"


def libraries(subject: Module) -> Iterator[str]:
    """A layer imports only the libraries that it is meant to need."""
    allowed = LIBRARIES.get(subject.layer, frozenset()) | LIBRARIES_OF_MODULES.get(subject.name, frozenset())
    for name, line in imports(subject):
        top = name.split(".")[0]
        if top != "hookgate" and top not in sys.stdlib_module_names and top not in allowed:
            yield f"{subject.name}:{line}: {top} is not for this module"


def purity(subject: Module) -> Iterator[str]:
    """A pure module imports nothing that acts, waits, or reads the world, and calls nothing that does."""
    if not any(fnmatchcase(subject.name, pattern) for pattern in PURE):
        return
    for name, line in imports(subject):
        if any(name == effect or name.startswith(f"{effect}.") for effect in EFFECTS):
            yield f"{subject.name}:{line}: pure, but imports {name}"
    for node in _calls(subject):
        called = ast.unparse(node.func)
        if EFFECT_CALLS.search(called):
            yield f"{subject.name}:{node.lineno}: pure, but calls {called}"


def static_imports(subject: Module) -> Iterator[str]:
    """Nothing is imported by a computed name: it would pass by every other rule."""
    for node in _calls(subject):
        if ast.unparse(node.func).split(".")[-1] in {"__import__", "import_module"}:
            yield f"{subject.name}:{node.lineno}: imports by a computed name"


def size(subject: Module) -> Iterator[str]:
    """A file and a function stay short enough to be read whole."""
    lines = len(subject.text.splitlines())
    if lines > MAX_FILE_LINES:
        yield f"{subject.name}: {lines} lines, more than {MAX_FILE_LINES}"
    for name, length in functions(subject):
        if length > MAX_FUNCTION_LINES and name not in LONG_FUNCTIONS:
            yield f"{name}: {length} lines, more than {MAX_FUNCTION_LINES}"


def charter(subject: Module) -> Iterator[str]:
    """A module begins by saying what it is for; an empty package file has nothing to say."""
    if subject.text.strip() and not ast.get_docstring(subject.tree):
        yield f"{subject.name}: no docstring"


def silence(subject: Module) -> Iterator[str]:
    """Only the command line prints."""
    if subject.layer == "cli":
        return
    for node in _calls(subject):
        if ast.unparse(node.func) in {"print", "sys.stdout.write", "sys.stderr.write"}:
            yield f"{subject.name}:{node.lineno}: prints"


def constant_time(subject: Module) -> Iterator[str]:
    """Revealed bytes are never compared with an operator, which answers sooner the earlier they differ."""
    for node in ast.walk(subject.tree):
        if isinstance(node, ast.Compare) and any(_reveals(side) for side in (node.left, *node.comparators)):
            yield f"{subject.name}:{node.lineno}: compares revealed bytes without hmac.compare_digest"


def places(name: str, text: str) -> Iterator[str]:
    """No file names a place on somebody's machine."""
    for number, line in enumerate(text.splitlines(), start=1):
        if found := PLACES.search(line):
            yield f"{name}:{number}: names a place on one machine: {found.group()}"


def _calls(subject: Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(subject.tree) if isinstance(node, ast.Call))


def _reveals(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "reveal"

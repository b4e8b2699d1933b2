"""Read the project's source as syntax trees: modules, what they import, how long their functions are.

It knows Python's syntax and no rule; the rules are in `tests.house.rules`.
"""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One module: its dotted name, whether it is a package, its text and its tree."""

    name: str
    text: str
    tree: ast.Module
    package: bool = False

    @property
    def layer(self) -> str:
        """The first name below ``hookgate``; "" for the root package itself, ``cli`` for ``python -m hookgate``."""
        parts = self.name.split(".")
        layer = parts[1] if len(parts) > 1 else ""
        return "cli" if layer == "__main__" else layer


def module(name: str, text: str, *, package: bool = False) -> Module:
    """Make a module from its text, as the rules' own tests do."""
    return Module(name=name, text=text, tree=ast.parse(text), package=package)


def hookgate() -> list[Module]:
    """Every module of the package."""
    return [_read(path, SOURCE) for path in sorted((SOURCE / "hookgate").rglob("*.py"))]


def of_tests() -> list[Module]:
    """Every module of the tests."""
    return [_read(path, ROOT) for path in sorted((ROOT / "tests").rglob("*.py"))]


def tracked() -> list[Path]:
    """Every file that the repository tracks; in an unpacked source archive, every file but those that tools made."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listing.returncode != 0:
        return [p for p in ROOT.rglob("*") if p.is_file() and not _made(p.relative_to(ROOT))]
    paths = (ROOT / name for name in listing.stdout.decode().split("\0") if name)
    return [p for p in paths if p.is_file()]


def imports(subject: Module) -> Iterator[tuple[str, int]]:
    """Yield every module that ``subject`` imports, wherever the statement stands, with its line.

    ``from a import b`` may name the module ``a.b`` or a value in ``a``: it is yielded as ``a.b``, which matches a rule
    about either.
    """
    for node in ast.walk(subject.tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(subject, node)
            yield from ((f"{base}.{alias.name}", node.lineno) for alias in node.names)


def functions(subject: Module) -> Iterator[tuple[str, int]]:
    """Yield every function and method by its name with the number of its lines, docstring included."""
    for node in ast.walk(subject.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{subject.name}.{node.name}", (node.end_lineno or node.lineno) - node.lineno + 1


def _made(path: Path) -> bool:
    return any(part == "__pycache__" or (part.startswith(".") and part != ".ci") for part in path.parts[:-1])


def _absolute(subject: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = subject.name.split(".")
    kept = len(parts) - node.level + (1 if subject.package else 0)
    return ".".join([*parts[:kept], *([node.module] if node.module else [])])


def _read(path: Path, root: Path) -> Module:
    parts = list(path.relative_to(root).with_suffix("").parts)
    package = parts[-1] == "__init__"
    return module(".".join(parts[:-1] if package else parts), path.read_text(encoding="utf-8"), package=package)

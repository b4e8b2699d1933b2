"""The one table that a run ends in: property, cases, failures, seconds."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from tests.faults.cases import Case
from tests.faults.suites import PROPERTIES


class Table:
    """Cases by property, in the order in which they came. Those ``wanted`` have a row, also without any case."""

    def __init__(self, wanted: Collection[str]) -> None:
        self._cases: dict[str, list[Case]] = {name: [] for name in wanted}
        self._seconds: dict[str, float] = {}

    @property
    def failures(self) -> list[Case]:
        """The cases that went wrong."""
        return [case for cases in self._cases.values() for case in cases if case.wrong]

    @property
    def untried(self) -> list[str]:
        """The wanted properties of which nothing was tried."""
        return [name for name in PROPERTIES if name in self._cases and not self._cases[name]]

    def add(self, case: Case, seconds: float) -> None:
        """Take in a case and the time that it took."""
        self._cases.setdefault(case.property, []).append(case)
        self._seconds[case.property] = self._seconds.get(case.property, 0.0) + seconds

    def rows(self) -> list[tuple[str, str, int, int, float]]:
        """Property, what it is, cases, failures, seconds."""
        order = [name for name in PROPERTIES if name in self._cases]
        return [
            (name, PROPERTIES[name], len(found), sum(bool(c.wrong) for c in found), self._seconds.get(name, 0.0))
            for name, found in ((name, self._cases[name]) for name in order)
        ]

    def text(self) -> str:
        """Return it for a terminal."""
        head = f"{'':4} {'property':72} {'cases':>6} {'failures':>8} {'seconds':>8}"
        rows = [
            f"{n:4} {what:72} {cases:6} {failed:8} {seconds:8.1f}" for n, what, cases, failed, seconds in self.rows()
        ]
        total = sum(row[2] for row in self.rows()), len(self.failures), sum(row[4] for row in self.rows())
        return "\n".join([head, *rows, f"{'':4} {'all':72} {total[0]:6} {total[1]:8} {total[2]:8.1f}"])

    def markdown(self, command: str, now: datetime, took: str) -> str:
        """Return it as a page."""
        lines = [
            "# What the operator survived",
            "",
            f"`{command}`, {now:%Y-%m-%d}, {took}, on Kubernetes' own",
            "kube-apiserver, etcd and controller manager (see `tests/cluster/binaries.py` for the version), operator",
            "and receiver as processes with the rights of `manifests/base`.",
            "",
            "| | property | cases | failures | seconds |",
            "|---|---|---:|---:|---:|",
        ]
        lines += [f"| {n} | {what} | {cases} | {failed} | {s:.0f} |" for n, what, cases, failed, s in self.rows()]
        failed = [f"- {case.property} {case.name}: {case.wrong[:300]}" for case in self.failures]
        return "\n".join([*lines, *(["", "Failures:", "", *failed] if failed else []), ""])

"""What `hookgate serve` prints: the table of endpoints, one line for each delivery, and what is wrong.

Secrets are never printed, and a URL stands in the table only. It may not know how anything is done.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TextIO

from hookgate.cli.tables import row_of, table, why_not_ready
from hookgate.control.values import Object
from hookgate.receiver.calls import DUPLICATE, HANDSHAKE, Receipt
from hookgate.receiver.respond import Undelivered

#: Calls that were authentic and got no answer of the target.
_UNDELIVERED: Mapping[str, str] = {
    Undelivered.TIMEOUT: "accepted, the target did not answer in time",
    Undelivered.REFUSED: "accepted, the target cannot be reached",
    Undelivered.ANSWER_TOO_LARGE: "accepted, the target's answer is too large",
    DUPLICATE: "a repeated call, delivered before",
    HANDSHAKE: "a handshake, answered",
}


def delivery_line(receipt: Receipt) -> str:
    """Say in one line what became of a call."""
    at = time.strftime("%H:%M:%S", time.localtime(receipt.at))
    if receipt.target_status is not None:
        verdict = f"accepted, target {receipt.target_status}"
    elif (why := _UNDELIVERED.get(receipt.reason or "")) is not None:
        verdict = why
    else:
        verdict = f"refused: {receipt.reason}"
    return f"{at} {receipt.namespace}/{receipt.name}  {receipt.status}  {verdict}  ({receipt.milliseconds:.0f} ms)"


class Screen:
    """Prints a table when its rows change, and problems when they are new; a closed pipe ends no service."""

    def __init__(self, out: TextIO | None = None, errors: TextIO | None = None) -> None:
        """Print to standard output, and what is wrong to standard error."""
        self._out, self._errors = out or sys.stdout, errors or sys.stderr
        self._rows: list[tuple[str, ...]] | None = None
        self._told: set[str] = set()
        self._ignored: set[str] = set()

    def say(self, text: str) -> None:
        """Print lines."""
        _write(self._out, text)

    def ignored(self, texts: Sequence[str]) -> None:
        """Print, once each, which documents are none of ours."""
        for text in texts:
            if text not in self._ignored:
                self._ignored.add(text)
                self.say(f"ignored: {text}")

    def call(self, receipt: Receipt) -> None:
        """Print one delivery."""
        _write(self._out, delivery_line(receipt))

    def endpoints(self, manifests: Iterable[Object]) -> None:
        """Print the table if it says something new."""
        known = sorted(manifests, key=lambda m: (m["metadata"]["namespace"], m["metadata"]["name"]))
        rows = [row_of(each) for each in known]
        if rows == self._rows:
            return
        first, self._rows = self._rows is None, rows
        _write(self._out, ("" if first else "\n") + (table(rows) if rows else "no endpoints"))
        for text in filter(None, map(why_not_ready, known)):
            _write(self._out, f"  {text}")

    def problems(self, texts: Sequence[str]) -> None:
        """Print what is newly wrong, and that all is well again."""
        for text in texts:
            if text not in self._told:
                _write(self._errors, f"hookgate: {text}")
        if self._told and not texts:
            _write(self._errors, "hookgate: all files are in order again")
        self._told = set(texts)


def _write(stream: TextIO, text: str) -> None:
    try:
        print(text, file=stream, flush=True)
    except (OSError, ValueError):
        return  # nobody reads any more; the deliveries matter

"""`hookgate explain`: what became of the last calls to an endpoint, and what to do about those that were refused."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hookgate.cli.advice import ADVICE, NEVER_CALLED, UNKNOWN
from hookgate.cli.exits import Exit
from hookgate.cli.facts import named
from hookgate.cli.place import Object, Place, Unheard, open_place
from hookgate.cli.tables import table, why_not_ready
from hookgate.control.calls import combined, next_calls, read_report
from hookgate.control.cluster import Request
from hookgate.control.status import rfc3339

COLUMNS = ("TIME", "STEP", "REASON", "AT", "CLOCK")
#: As many refusals as one receiver remembers.
_MOST = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One refused call. ``at`` is in unix seconds, ``skew`` (signed time minus receipt) in seconds."""

    at: float
    step: str
    reason: str
    where: str
    skew: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What is known of an endpoint's calls: ``calls`` as in its status; how many ``receivers`` told, 0: it did.

    ``repeated`` were answered 200 without being delivered again.
    """

    calls: Object | None
    repeated: int = 0
    refusals: tuple[Refusal, ...] = ()
    receivers: int = 0


def run(options: argparse.Namespace) -> int:
    """Explain one endpoint."""
    print(asyncio.run(_explained(options)))
    return Exit.DONE


async def _explained(options: argparse.Namespace) -> str:
    async with open_place(options) as place:
        manifest = await place.endpoint(Request(options.namespace, options.name))
        try:
            heard = await _ask(place, str(manifest["metadata"]["uid"]))
        except Unheard as why:
            print(f"hookgate: {why}; telling only what the endpoint's status tells", file=sys.stderr)
            heard = of_status(manifest)
    return explanation(manifest, heard, time.time())


async def _ask(place: Place, uid: str) -> Heard:
    """Ask every receiver. Raises `Unheard` when none answers."""
    calls = await place.ask_receivers("/calls", [uid])
    refusals = await place.ask_receivers("/refusals", uid)
    return of_receivers(uid, calls, refusals)


def of_receivers(uid: str, calls: Sequence[Object], refusals: Sequence[Object]) -> Heard:
    """Put together what receivers answered; what none of them would say is left out."""
    reports = [read_report((answer.get("calls") or {}).get(uid)) for answer in calls]
    told = next_calls(None, combined(each for each in reports if each is not None), 0.0)
    found = [each for answer in refusals for raw in answer.get("refusals") or () if (each := _refusal(raw)) is not None]
    return Heard(
        calls=told,
        repeated=sum(_repeated((answer.get("calls") or {}).get(uid)) for answer in calls),
        refusals=tuple(sorted(found, key=lambda each: each.at)[-_MOST:]),
        receivers=max(1, len(calls)),
    )


def of_status(manifest: Object) -> Heard:
    """Return what the status tells: of refused calls only the last, and of that only the reason."""
    return Heard(calls=(manifest.get("status") or {}).get("calls"))


def explanation(manifest: Object, heard: Heard, now: float) -> str:
    """Return the whole text."""
    meta = manifest["metadata"]
    names = {"name": str(meta["name"]), "namespace": str(meta.get("namespace") or "default")}
    parts = ["\n".join(_summary(named(manifest), heard, now))]
    trouble = why_not_ready(manifest)
    if trouble:
        parts.append(f"not Ready: {trouble}")
    if heard.refusals:
        parts.append(table([_row(each) for each in heard.refusals], COLUMNS))
    for reason, count in _reasons(heard):
        parts.append("\n".join(_advice(reason, count, len(heard.refusals), names)))
    if heard.calls is None and not heard.repeated:
        parts.append(
            "\n".join(["no call has come in; check:", *(f"  - {each.format(**names)}" for each in NEVER_CALLED)])
        )
    return "\n\n".join(parts)


def _summary(name: str, heard: Heard, now: float) -> Iterator[str]:
    calls = heard.calls or {"accepted": 0, "refused": 0}
    counts = f"{calls.get('accepted', 0)} accepted, {calls.get('refused', 0)} refused"
    if heard.receivers:
        plural = "s" if heard.receivers > 1 else ""
        yield f"{name}: {counts}, by {heard.receivers} receiver{plural} since the start"
    else:
        yield f"{name}: {counts}" + (f", as of {calls['asOf']}" if "asOf" in calls else "")
    if heard.repeated:
        yield f"repeated:      {heard.repeated} that the target had taken before: answered 200, not delivered again"
    last = calls.get("lastRefused") or {}
    yield f"last accepted: {calls.get('lastAccepted') or 'never'}"
    yield f"last refused:  {last.get('time') or 'never'}" + (f" ({last['reason']})" if last.get("reason") else "")
    yield f"now:           {rfc3339(now)}"


def _reasons(heard: Heard) -> Iterable[tuple[str, int]]:
    """Return the reasons to speak about with their number, the commonest first."""
    if heard.refusals:
        return Counter(each.reason for each in heard.refusals).most_common()
    last = (heard.calls or {}).get("lastRefused")
    return [(str(last.get("reason")), 1)] if last else []


def _advice(reason: str, count: int, total: int, names: Mapping[str, str]) -> Iterator[str]:
    advice = ADVICE.get(reason, UNKNOWN)
    yield f"{reason} ({count} of the last {total})" if total else f"{reason} (the last one)"
    yield f"  {advice.happened.format(**names)}"
    yield from (f"  - {check.format(**names)}" for check in advice.check)


def _row(refusal: Refusal) -> tuple[str, ...]:
    return (rfc3339(refusal.at), refusal.step, refusal.reason, refusal.where or "-", _clock(refusal.skew))


def _clock(skew: float | None) -> str:
    if skew is None:
        return "-"
    return f"{abs(skew):.0f} s {'behind' if skew < 0 else 'ahead'}"


def _refusal(raw: Any) -> Refusal | None:
    try:
        skew = raw["skew"]
        return Refusal(
            at=float(raw["time"]),
            step=_word(raw["step"]),
            reason=_word(raw["reason"]),
            where=_word(raw["where"] or ""),
            skew=None if skew is None else float(skew),
        )
    except (LookupError, TypeError, ValueError):
        return None


def _repeated(report: Any) -> int:
    """Read how many calls came again; a receiver of an older version does not tell."""
    count = report.get("repeated") if isinstance(report, Mapping) else None
    return count if isinstance(count, int) and count > 0 else 0


def _word(value: Any) -> str:
    """Return a text that a terminal can be trusted with."""
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError("not a word")
    return value[:200]

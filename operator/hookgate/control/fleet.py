"""Asking the receivers which binding they serve and what became of calls, many endpoints in one question.

The private port of every ready receiver answers ``POST /digests`` and ``POST /calls``. This module may not know
bindings: it compares digests, which are not secret.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from hookgate.control.calls import combined, read_report
from hookgate.control.values import CallReport, Served

#: How long one question to the fleet goes on before the endpoint is put back, in seconds.
PATIENCE = 1.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 0.1
_MOST_AT_ONCE = 500
#: How long a receiver may take to tell of calls; nobody waits for it.
_CALLS_PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class _Answer:
    """What one receiver serves. ``reached``: it took the connection; of one that did not nobody knows."""

    digests: Mapping[str, str]
    reached: bool = True


@dataclass(slots=True)
class _Question:
    uid: str
    digest: str | None
    deadline: float
    answer: asyncio.Future[Served]


class Fleet:
    """The receivers at the private addresses (``http://host:port``) that ``ready`` gives at the time of asking.

    One that says that it is not ready is not among the ready ones, and one that takes no connection is not where
    something is to be served. Where it is to be dropped that one is silent: it may serve on behind a broken way.
    """

    def __init__(self, session: aiohttp.ClientSession, ready: Callable[[], Sequence[str]]) -> None:
        self._session = session
        self._ready = ready
        self._open: list[_Question] = []
        self._asking: asyncio.Task[None] | None = None

    async def served(self, uid: str, digest: str | None) -> Served:
        """Ask until all agree that they serve ``digest`` for ``uid`` (None: nothing), at most for `PATIENCE`."""
        loop = asyncio.get_running_loop()
        question = _Question(uid, digest, loop.time() + PATIENCE, loop.create_future())
        self._open.append(question)
        if self._asking is None or self._asking.done():
            self._asking = loop.create_task(self._ask_all())
        return await question.answer

    async def answering(self) -> frozenset[str]:
        """Return the addresses of the receivers that are ready now."""
        addresses = tuple(self._ready())
        replies = await asyncio.gather(*(self._ask(address, []) for address in addresses))
        return frozenset(a for a, reply in zip(addresses, replies, strict=True) if reply is not None and reply.reached)

    async def calls(self, uids: Sequence[str]) -> Mapping[str, CallReport]:
        """Return what the ready receivers say of the calls to these endpoints, summed up.

        Endpoints that nobody called are left out, and so are receivers that do not answer in time.
        """
        told: dict[str, list[CallReport]] = {}
        addresses = tuple(self._ready())
        for start in range(0, len(uids), _MOST_AT_ONCE):
            asked = list(uids[start : start + _MOST_AT_ONCE])
            for answer in await asyncio.gather(*(self._ask_calls(address, asked) for address in addresses)):
                for uid in asked:
                    report = read_report(answer.get(uid))
                    if report is not None:
                        told.setdefault(uid, []).append(report)
        return {uid: total for uid, reports in told.items() if (total := combined(reports)) is not None}

    async def _ask_calls(self, address: str, uids: list[str]) -> Mapping[str, Any]:
        """Ask one receiver; one that says nothing of use says nothing."""
        try:
            async with self._session.post(
                f"{address}/calls", json=uids, timeout=aiohttp.ClientTimeout(total=_CALLS_PATIENCE)
            ) as response:
                found = (await response.json())["calls"] if response.status == 200 else {}
                return found if isinstance(found, dict) else {}
        except (aiohttp.ClientError, TimeoutError, ValueError, OSError, LookupError, TypeError):
            return {}

    async def _ask_all(self) -> None:
        """Ask for everything that is open until nothing is; whatever goes wrong, nobody waits for ever."""
        try:
            await self._ask_on()
        except Exception as error:
            for question in self._open:
                if not question.answer.done():
                    question.answer.set_exception(error)
            self._open = []

    async def _ask_on(self) -> None:
        pause = _FIRST_PAUSE
        while self._open:
            asked = self._open[:_MOST_AT_ONCE]
            answers = await self._answers(sorted({q.uid for q in asked}))
            settled = self._settle(asked, answers)
            if not settled:
                await asyncio.sleep(pause)
            pause = _FIRST_PAUSE if settled else min(_LONGEST_PAUSE, pause * 2)

    def _settle(self, asked: list[_Question], answers: list[_Answer]) -> bool:
        """Answer the questions that are decided or out of time; the others go to the end of the line."""
        now = asyncio.get_running_loop().time()
        settled, rest = False, []
        everybody, reached = [a.digests for a in answers], [a.digests for a in answers if a.reached]
        for question in asked:
            counted = everybody if question.digest is None else reached
            agreeing = sum(digests.get(question.uid) == question.digest for digests in counted)
            result = Served(digest=question.digest, ready=len(counted), agreeing=agreeing)
            if question.answer.done():
                continue
            if agreeing == len(counted) or now >= question.deadline:
                question.answer.set_result(result)
                settled = True
            else:
                rest.append(question)
        self._open = self._open[len(asked) :] + rest
        return settled

    async def _answers(self, uids: list[str]) -> list[_Answer]:
        """Return what each receiver serves for ``uids``, without those that say that they are not ready."""
        replies = await asyncio.gather(*(self._ask(address, uids) for address in self._ready()))
        return [reply for reply in replies if reply is not None]

    async def _ask(self, address: str, uids: list[str]) -> _Answer | None:
        """Ask one receiver. None: it is not ready, so it serves nobody. Silence is not agreement."""
        silence = dict.fromkeys(uids, "")
        try:
            async with self._session.post(
                f"{address}/digests", json=uids, timeout=aiohttp.ClientTimeout(total=PATIENCE)
            ) as response:
                if response.status != 200:
                    return None
                digests = (await response.json())["digests"]
                return _Answer(digests if isinstance(digests, dict) else silence)
        except aiohttp.ClientConnectorError:
            return _Answer(silence, reached=False)
        except (aiohttp.ClientError, TimeoutError, ValueError, OSError, LookupError, TypeError):
            return _Answer(silence)

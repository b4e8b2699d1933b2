"""Leader election on a coordination.k8s.io/v1 Lease, by the rules of client-go's leaderelection package.

A candidate takes the lease once its record has not been SEEN to change for the lease's duration, counted on the
candidate's own monotonic clock: wall clocks are written for people and never compared. A leader that could not renew
within the renew deadline, counted from before it asked, leads no longer. The decision is a pure step; `Elector` does
what it says. (The library's elector does not qualify: it counts on the wall clock, and one of its requests may hang
for longer than the lease lasts.)
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from hookgate.kube.api import LEASES, Api, Object
from hookgate.kube.errors import ApiError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds, client-go's defaults. Needs lease > renew deadline > 1.2 retry periods, the jitter included."""

    lease_s: float = 15.0
    renew_deadline_s: float = 10.0
    retry_s: float = 2.0

    def __post_init__(self) -> None:
        if not self.lease_s > self.renew_deadline_s > 1.2 * self.retry_s > 0:
            raise ValueError("timing: lease_s > renew_deadline_s > 1.2 * retry_s > 0 must hold")


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What one candidate knows. Times are readings of its monotonic clock.

    ``spec`` is the lease's spec as last seen, None while there is no lease; ``version`` its resourceVersion;
    ``seen_at`` when the spec was last seen to change; ``renewed_at`` when the last successful renewal was asked for,
    None while this candidate does not lead.
    """

    identity: str
    spec: Object | None = None
    version: str = ""
    seen_at: float = 0.0
    renewed_at: float | None = None


class Step(Enum):
    """What to do now."""

    CREATE = "create"
    TAKE = "take"
    RENEW = "renew"
    WAIT = "wait"


def observe(state: State, lease: Object | None, now: float) -> State:
    """Take in the lease as just read; only a changed spec restarts its time. Another's lease ends our own lead."""
    if lease is None:
        return replace(state, spec=None, version="", seen_at=now)
    spec, version = lease.get("spec") or {}, lease["metadata"]["resourceVersion"]
    return replace(
        state,
        spec=spec,
        version=version,
        seen_at=state.seen_at if spec == state.spec else now,
        renewed_at=state.renewed_at if spec.get("holderIdentity") == state.identity else None,
    )


def renewed(state: State, written: Object, asked_at: float) -> State:
    """Take in our own successful write. Our time counts from before we asked and that of the others from after the
    server wrote, so the leader always gives up first."""
    return replace(observe(state, written, asked_at), renewed_at=asked_at)


def decide(state: State, now: float, timing: Timing) -> Step:
    """Say what this candidate does about the lease that it last saw.

    A record of its own identity from before it led (a restarted process of the same name) is taken like a free one.
    """
    if state.spec is None:
        return Step.CREATE
    holder = state.spec.get("holderIdentity") or ""
    if holder == state.identity:
        return Step.TAKE if state.renewed_at is None else Step.RENEW
    duration = state.spec.get("leaseDurationSeconds") or timing.lease_s
    return Step.WAIT if holder and now < state.seen_at + duration else Step.TAKE


def leads(state: State, now: float, timing: Timing) -> bool:
    """Whether this candidate may act as leader at ``now``; false for good once the deadline has passed."""
    return state.renewed_at is not None and now < state.renewed_at + timing.renew_deadline_s


def wanted(state: State, step: Step, wall: datetime, timing: Timing) -> Object:
    """The lease's spec after ``step``. ``wall`` is UTC and informs people only."""
    now = wall.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    before = state.spec or {}
    transitions = int(before.get("leaseTransitions") or 0)
    changes_hands = step is Step.TAKE and before.get("holderIdentity") != state.identity
    return {
        "holderIdentity": state.identity,
        "leaseDurationSeconds": max(1, round(timing.lease_s)),
        "acquireTime": before.get("acquireTime", now) if step is Step.RENEW else now,
        "renewTime": now,
        "leaseTransitions": transitions + 1 if changes_hands else transitions,
    }


class LeadershipLost(Exception):  # noqa: N818 - the name of the outcome
    """Another may lead from now on: stop writing and exit."""


class Elector:
    """One candidate for one Lease. ``acquire``, then ``hold`` beside the work, then ``release``; or ``lead``."""

    def __init__(  # noqa: PLR0913 - each is a decision of the caller, with a usual value
        self,
        api: Api,
        *,
        namespace: str,
        name: str,
        identity: str,
        timing: Timing = Timing(),
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
        chance: Callable[[], float] = random.random,
    ) -> None:
        """``identity`` must be unique among all candidates and all restarts: pod name and a random part."""
        self._api = api
        self._namespace = namespace
        self._name = name
        self._timing = timing
        self._clock = clock
        self._wall = wall
        self._chance = chance
        self._state = State(identity=identity)

    def leading(self) -> bool:
        """Whether this process may write right now, by its clock: made for `Api.fenced`."""
        return leads(self._state, self._clock(), self._timing)

    @property
    def holder(self) -> str:
        """The identity that the lease named when it was last seen; empty for none."""
        return str((self._state.spec or {}).get("holderIdentity") or "")

    async def lead(self, work: Callable[[], Awaitable[None]]) -> None:
        """Wait to become leader, run ``work``, and release the lease when it ends or this is cancelled.

        Raises LeadershipLost, after cancelling ``work``, when the lease could not be renewed in time; the caller
        exits the process then, and does not release what is no longer its own.
        """
        await self.acquire()
        working = asyncio.ensure_future(work())
        holding = asyncio.ensure_future(self.hold())
        try:
            await asyncio.wait((working, holding), return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Work ends first, renewed all the while: whoever takes the lease next must be the only one that writes.
            # Once the lease is lost there is no more to protect, and work that will not end cannot keep us here.
            working.cancel()
            await asyncio.wait((working, holding), return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait((working,), timeout=self._timing.retry_s)
            holding.cancel()
            await asyncio.gather(holding, return_exceptions=True)
            await self.release()
        if not holding.cancelled():
            holding.result()
        working.result()

    async def acquire(self) -> None:
        """Return once this candidate leads."""
        while not (await self._attempt(self._patience) and self.leading()):
            await self._pause()
        log.info("leading: %s/%s is held by %s", self._namespace, self._name, self._state.identity)

    async def hold(self) -> None:
        """Renew until that fails for the renew deadline, then raise LeadershipLost. Never returns."""
        while True:
            await self._pause()
            left = (self._state.renewed_at or 0.0) + self._timing.renew_deadline_s - self._clock()
            if left > 0:
                await self._attempt(min(left, self._patience))
            if not self.leading():
                self._state = replace(self._state, renewed_at=None)
                raise LeadershipLost(f"lease {self._namespace}/{self._name} was not renewed in time")

    async def release(self) -> None:
        """Give the lease up, if it is still ours, so that the next need not wait. Failures only cost that wait."""
        if not self.leading() or self._state.spec is None:
            return
        spec = wanted(self._state, Step.RENEW, self._wall(), self._timing)
        spec |= {"holderIdentity": None, "leaseDurationSeconds": 1}
        try:
            async with asyncio.timeout(self._timing.retry_s):
                await self._write(spec, self._state.version)
        except (ApiError, TimeoutError) as error:
            log.warning("the lease could not be released: %s", error)
        self._state = replace(self._state, renewed_at=None)

    @property
    def _patience(self) -> float:
        """How long one attempt may take: a connection that hangs must leave time for another."""
        return self._timing.renew_deadline_s / 2

    async def _pause(self) -> None:
        """Wait for the next attempt; jitter keeps candidates apart."""
        await asyncio.sleep(self._timing.retry_s * (1.0 + 0.2 * self._chance()))

    async def _attempt(self, limit_s: float) -> bool:
        """Read the lease and do what the step says, within ``limit_s``; True: it is ours, as of now."""
        try:
            async with asyncio.timeout(limit_s):
                lease = await self._api.get(LEASES, self._name, self._namespace)
                now = self._clock()
                self._state = observe(self._state, lease, now)
                step = decide(self._state, now, self._timing)
                if step is Step.WAIT:
                    return False
                written = await self._write(wanted(self._state, step, self._wall(), self._timing), self._state.version)
        except (ApiError, TimeoutError) as error:
            log.warning("leader election: %s", error if isinstance(error, ApiError) else "no answer in time")
            return False
        self._state = renewed(self._state, written, now)
        return True

    async def _write(self, spec: Object, version: str) -> Object:
        """Create the lease, or replace exactly the version that was seen."""
        metadata: dict[str, Any] = {"namespace": self._namespace, "name": self._name}
        if not version:
            return await self._api.create(LEASES, {"metadata": metadata, "spec": spec})
        return await self._api.replace(LEASES, {"metadata": metadata | {"resourceVersion": version}, "spec": spec})

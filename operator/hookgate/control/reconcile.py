"""Observe, decide, apply, confirm, report: one endpoint at a time, level-triggered.

Every round looks at what is there, asks the pure `decide` what to do, and does it. Nothing is remembered between calls,
so a crash after any write resumes where it stopped. This module may not know why anything is done.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace

from hookgate.config.platform import PlatformConfig
from hookgate.control.cluster import Cluster, ClusterError, Receivers, Request, request_of
from hookgate.control.decide import decide
from hookgate.control.names import names_of
from hookgate.control.next_binding import told_segment
from hookgate.control.objects import controlled_by_another, meta, uid_of
from hookgate.control.repairs import Repairs, told_of
from hookgate.control.status import ready_of
from hookgate.control.values import AT_ONCE, CallReport, Fresh, Object, Observed, Plan, Published, Served, Step
from hookgate.model.endpoint import ANNOTATION_ADOPT, ANNOTATION_RETAINED, KIND, KeySet
from hookgate.scheme.presets import Presets

#: A plan leads to the next within a few rounds; more would mean that two of them undo each other.
MOST_ROUNDS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The platform's configuration in force and the presets that it makes."""

    config: PlatformConfig
    presets: Presets


class RoundsExceeded(RuntimeError):  # noqa: N818 -- what happened
    """Deciding did not settle: a defect of ours, kept from looping for ever."""


class Reconciler:
    """Brings one endpoint after another to its desired state.

    ``clock`` gives unix seconds, ``entropy`` as many random bytes as asked for, ``settings`` what is in force now,
    ``calls`` what receivers last said of the calls to an endpoint, by its uid, ``published`` a token issuer's key set.
    """

    def __init__(  # noqa: PLR0913 -- everything that a decision rests on
        self,
        cluster: Cluster,
        receivers: Receivers,
        *,
        settings: Callable[[], Settings],
        clock: Callable[[], float],
        entropy: Callable[[int], bytes],
        calls: Callable[[str], CallReport | None] = lambda _uid: None,
        published: Callable[[KeySet, Request], Published] = lambda _key_set, _request: Published(),
        repairs: Repairs | None = None,
    ) -> None:
        self._cluster = cluster
        self._receivers = receivers
        self._settings = settings
        self._clock = clock
        self._entropy = entropy
        self._calls = calls
        self._published = published
        self._repairs = repairs if repairs is not None else Repairs()

    async def reconcile(self, request: Request) -> float | None:
        """Do what there is to do now. Return in how many seconds to look again, None for not before a change.

        Raises `ClusterError` when a read or write did not happen; what was done until then stays done.
        """
        served: Served | None = None
        sure = False
        for _ in range(MOST_ROUNDS):
            manifest = self._cluster.endpoint(request)
            if manifest is None:
                return None
            plan = self._decide(await self._observe(manifest, served))
            try:
                if plan.steps and not sure and not meta(manifest).get("deletionTimestamp"):
                    await self._make_sure(manifest, plan.steps[0])
                    sure = True
                    continue
                await self._execute_all(manifest, plan)
            except ClusterError as error:
                if error.refused:
                    await self._tell_refusal(request, served, error)
                raise
            if plan.awaits:
                served = await self._receivers.served(uid_of(manifest), plan.awaited)
            elif not plan.steps or plan.final:
                again = await self._report(manifest, plan)
                if again != AT_ONCE:
                    return again
        raise RoundsExceeded(f"{request}: deciding does not settle")

    async def _make_sure(self, manifest: Object, first: Step) -> None:
        """See the endpoint as it is right now, before anything is written for it.

        An API server that lags behind, or a cache after a restart, tells of what is over: nobody's secret may be
        removed, nor anybody's URL opened again, for a wish that was taken back since. A first write to the endpoint
        itself brings back what is so, and fails where it is no more. A deletion is never taken back.
        """
        if first.object["kind"] == KIND:
            await self._execute(manifest, first)
        else:
            await self._cluster.refresh(manifest)

    def _decide(self, observed: Observed) -> Plan:
        """Decide, and once more without what was put right too often lately."""
        plan = decide(observed)
        contested = self._repairs.contested(observed.manifest, plan.steps, observed.now)
        return decide(replace(observed, contested=contested)) if contested else plan

    async def _execute_all(self, manifest: Object, plan: Plan) -> None:
        """Carry out the steps as far as it goes. Raises the first `ClusterError`."""
        first: ClusterError | None = None
        for step in plan.steps:
            try:
                await self._execute(manifest, step)
            except ClusterError as error:
                if not (plan.apart and error.refused):
                    raise
                first = first or error
        if first is not None:
            raise first

    async def _tell_refusal(self, request: Request, served: Served | None, error: ClusterError) -> None:
        """Say in the status what the API server refuses: else nobody but a log knows why nothing happens."""
        manifest = self._cluster.endpoint(request)
        if manifest is not None:
            observed = await self._observe(manifest, served)
            await self._report(manifest, decide(replace(observed, refusal=str(error))))

    async def _execute(self, manifest: Object, step: Step) -> None:
        await self._cluster.execute(step)
        self._repairs.did(manifest, step, self._clock())

    async def _observe(self, manifest: Object, served: Served | None) -> Observed:
        cluster, settings = self._cluster, self._settings()
        uid, namespace = uid_of(manifest), str(meta(manifest).get("namespace"))
        names = names_of(manifest)
        sure = _must_be_sure(manifest)
        connections = await cluster.connections(namespace, uid, names.connection, sure=sure)
        binding = await cluster.binding(uid, sure=sure)
        return Observed(
            manifest=manifest,
            config=settings.config,
            presets=settings.presets,
            system_namespace=cluster.system_namespace,
            binding_namespace=cluster.binding_namespace,
            binding=binding,
            connections=connections,
            references={name: cluster.referenced(namespace, name) for name in names.referenced},
            service=cluster.service(namespace, names.service) if names.service else None,
            service_base=cluster.service_base(namespace, names.service) if names.service else None,
            retained=await self._retained(manifest, connections),
            routes=await cluster.routes(uid, sure=sure),
            routing=cluster.routing,
            served=served,
            elders=cluster.elders(manifest),
            # Looking through all bindings is for the rare case that one was lost.
            segment_taken=binding is None and self._segment_taken(manifest, connections, names.connection),
            now=self._clock(),
            fresh=draw(self._entropy),
            calls=self._calls(uid),
            key_sets={each: self._published(each, request_of(manifest)) for each in names.key_sets},
        )

    async def _retained(self, manifest: Object, connections: tuple[Object, ...]) -> Object | None:
        """Look for what a deleted endpoint left behind, where this one asks for it and its Secret tells of it."""
        if (meta(manifest).get("annotations") or {}).get(ANNOTATION_ADOPT) != "true":
            return None
        name = names_of(manifest).connection
        left = next((s for s in connections if meta(s)["name"] == name), None)
        if left is None or controlled_by_another(left, uid_of(manifest)):
            return None
        uid = (meta(left).get("annotations") or {}).get(ANNOTATION_RETAINED)
        return await self._cluster.retained(str(uid)) if uid else None

    def _segment_taken(self, manifest: Object, connections: tuple[Object, ...], connection: str) -> bool:
        named = next((s for s in connections if meta(s)["name"] == connection), None)
        segment = told_segment(manifest, named)
        return segment is not None and self._cluster.segment_taken(segment, uid_of(manifest))

    async def _report(self, manifest: Object, plan: Plan) -> float | None:
        """Write the status if it says anything new, and an Event if readiness changed; return when to look again."""
        if plan.warning is not None:
            reason, message = plan.warning
            await self._cluster.post_event(manifest, normal=False, reason=reason, message=message)
        if plan.status is None or plan.status == manifest.get("status"):
            return plan.again
        before = ready_of(manifest.get("status") or {})
        told = told_of(manifest, plan.status)
        pause = self._repairs.pause(told, self._clock())
        if pause:
            return min(pause, plan.again or pause)
        await self._cluster.write_status(manifest, plan.status)
        self._repairs.note(told, self._clock())
        now = ready_of(plan.status)
        if now != before:
            message = next(c["message"] for c in plan.status["conditions"] if c["type"] == "Ready")
            await self._cluster.post_event(manifest, normal=now[0] == "True", reason=now[1], message=message)
        return plan.again


def draw(entropy: Callable[[int], bytes]) -> Fresh:
    """Draw the randomness of one decision."""
    raw = entropy(20 + 32 + 16 + 16 * 8 + 32 + 8)
    return Fresh(
        segment=base64.b32encode(raw[:20]).decode().lower(),
        secret=raw[20:52],
        nonce=raw[52:68].hex(),
        ids=tuple(raw[i : i + 8].hex() for i in range(68, 196, 8)),
        signing=raw[196:228],
        signing_id=raw[228:236].hex(),
    )


def _must_be_sure(manifest: Object) -> bool:
    """Tell whether "there is none" has consequences: a deletion that ends, or a secret that counts as lost."""
    deleting = bool(meta(manifest).get("deletionTimestamp"))
    absent = (manifest.get("spec") or {}).get("state") == "absent"
    adopts = (meta(manifest).get("annotations") or {}).get(ANNOTATION_ADOPT) == "true"
    return deleting or absent or adopts or bool((manifest.get("status") or {}).get("secretName"))

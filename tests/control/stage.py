"""One endpoint, or a few, on a stage: what users and platform do, one call each, and what then is to be seen.

`Stage.settle` reconciles until there is nothing to do at once and returns the writes that took, in a few words each.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from hookgate.config.manifest import load_endpoint
from hookgate.control.cluster import ClusterError, Request
from hookgate.control.objects import encode_data, secret_data
from hookgate.control.reconcile import Reconciler, Settings
from hookgate.control.repairs import Repairs
from hookgate.control.settings import settings_of
from hookgate.control.values import Published
from hookgate.model import binding as contract
from hookgate.model.binding import Binding
from hookgate.model.endpoint import KeySet
from tests.control.kstatus import is_current
from tests.control.world import FakeReceivers, World
from tests.kube.asyncrun import run

TEAM = "team-a"
START = 1_767_225_600.0  # 2026-01-01T00:00:00Z
#: As often as a queue would try again after a conflict, before a test gives up.
_TRIES = 5
_OF_TARGET = ("forward-secret", "previous-forward-secrets")

SPEC: Mapping[str, Any] = {
    "auth": {"type": "hmac", "hmac": {"header": "X-Signature"}},
    "target": {"service": {"name": "app", "port": 8080}},
}
OFFER = "{name: hooks.example.com, exposure: ingress, namespaces: ['team-*']}"
GATEWAY = "{name: hooks.example.com, exposure: gateway, namespaces: ['team-*'], parentRefs: [{name: public}]}"
SHARED = "{name: hooks.example.com, exposure: none, namespaces: ['team-*']}"


def platform(*hosts: str, more: str = "") -> str:
    """Return a hookgate.yaml that offers ``hosts``, with further members after them."""
    head = "apiVersion: config.hookgate.dev/v1alpha1\nkind: HookgateConfiguration\n"
    return head + "".join(["hosts:\n", *(f"- {host}\n" for host in hosts or (OFFER,))]) + more


@cache
def _settings(text: str) -> Settings:
    return settings_of(text, source="hookgate.yaml")


class Entropy:
    """Random bytes that differ at every draw and are the same in every run."""

    def __init__(self) -> None:
        self._drawn = 0

    def __call__(self, size: int) -> bytes:
        self._drawn += 1
        return hashlib.shake_256(f"draw {self._drawn}".encode()).digest(size)


class Stage:
    """A world with receivers, a clock that stands still, the platform's configuration, and a Service called app."""

    def __init__(self, config: str | None = None) -> None:
        self.now = START
        self.again: float | None = None
        self.world = World(lambda: self.now)
        self.receivers = FakeReceivers(self.world)
        self.key_sets: dict[KeySet, Published] = {}
        #: What an operator remembers between looks; a test that is about nothing else leaves None: it forgets at once.
        self.repairs: Repairs | None = None
        self.entropy = Entropy()
        self.configure(config or platform())
        self.serve("app")

    # What the platform, users and others do ------------------------------------------------------------------------

    def configure(self, text: str) -> None:
        """Put another hookgate.yaml in force."""
        self.settings = _settings(text)

    def declare(self, name: str = "ci", *, namespace: str = TEAM, **spec: Any) -> None:
        """Apply an endpoint whose spec is `SPEC` with the members given; its defaults are filled in as by a server."""
        self.store({**SPEC, **spec}, name, namespace=namespace, checked=True)

    def store(self, spec: Any, name: str = "ci", *, namespace: str = TEAM, checked: bool = False) -> None:
        """Put an endpoint into the store, past the server's checks unless ``checked``."""
        found = self.world.get("WebhookEndpoint", namespace, name) or {"metadata": {}}
        manifest = {
            "apiVersion": "hookgate.dev/v1alpha1",
            "kind": "WebhookEndpoint",
            "metadata": {**found["metadata"], "name": name, "namespace": namespace},
            "spec": spec,
        }
        filled = load_endpoint(manifest) if checked else manifest
        self.world.put({**filled, **({"status": found["status"]} if "status" in found else {})})

    def change(self, name: str = "ci", **spec: Any) -> None:
        """Set members of an endpoint's spec."""
        self.declare(name, **{**self.endpoint(name)["spec"], **spec})

    def secret_policy(self, name: str = "ci", **policy: Any) -> None:
        """Set ``spec.auth.secret``."""
        auth = {k: v for k, v in self.endpoint(name)["spec"]["auth"].items() if k != "secret"}
        self.change(name, auth={**auth, "secret": policy} if policy else auth)

    def annotate(self, annotation: str, value: str | None, name: str = "ci") -> None:
        """Set or remove one annotation."""
        found = self.endpoint(name)
        given = {k: v for k, v in found["metadata"].get("annotations", {}).items() if k != annotation}
        new = given if value is None else {**given, annotation: value}
        self.world.put({**found, "metadata": {**found["metadata"], "annotations": new}})

    def delete(self, name: str = "ci") -> None:
        """Delete an endpoint."""
        self.world.drop("WebhookEndpoint", TEAM, name)

    def serve(self, name: str, port: int = 8080, kind: str = "ClusterIP", namespace: str = TEAM) -> None:
        """Make a Service."""
        spec = {"type": kind, "ports": [{"port": port}]}
        meta = {"name": name, "namespace": namespace}
        self.world.put({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec})

    def bring(self, secret_name: str, *, labelled: bool = True, **data: bytes) -> None:
        """Make or overwrite a Secret of the tenant's own."""
        labels = {"hookgate.dev/webhook": "true"} if labelled else {}
        meta = {"name": secret_name, "namespace": TEAM, "labels": labels}
        self.world.put(
            {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": meta, "data": encode_data(data)}
        )

    def edit(self, kind: str, name: str, namespace: str = TEAM, **members: Any) -> None:
        """Overwrite top-level members of an object, as somebody with all rights; None removes one."""
        found = self.world.get(kind, namespace, name)
        assert found is not None
        new = {**found, **members}
        self.world.put({k: v for k, v in new.items() if v is not None})

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    # What reconciliation does --------------------------------------------------------------------------------------

    def settle(self, name: str = "ci", namespace: str = TEAM) -> list[str]:
        """Reconcile, after a conflict once more; return the writes. ``again`` and ``story`` tell the rest."""
        start = len(self.world.story)
        run(self._settle(Request(namespace, name)))
        self.story = self.world.story[start:]
        return [each for each in self.story if not each.startswith("(")]

    def settle_in_turns(self, *names: str) -> None:
        """Reconcile several endpoints at a time, write by write in turns."""

        async def all_of_them() -> None:
            await asyncio.gather(*(self._settle(Request(TEAM, name)) for name in names))

        run(all_of_them())

    async def _settle(self, request: Request) -> None:
        self.world.watchman.reconciling = request
        for tries in range(_TRIES):
            try:
                self.again = await self._reconciler().reconcile(request)
                return
            except ClusterError as error:
                if not error.conflict or tries == _TRIES - 1:
                    raise

    def _reconciler(self) -> Reconciler:
        """Return a new one every time, as after a restart: nothing may be remembered."""
        return Reconciler(
            self.world,
            self.receivers,
            settings=lambda: self.settings,
            clock=lambda: self.now,
            entropy=self.entropy,
            published=lambda key_set, _request: self.key_sets.get(key_set, Published()),
            repairs=self.repairs,
        )

    # What is to be seen --------------------------------------------------------------------------------------------

    def endpoint(self, name: str = "ci") -> dict[str, Any]:
        """Return an endpoint as stored."""
        found = self.world.get("WebhookEndpoint", TEAM, name)
        assert found is not None, f"no endpoint {name}"
        return found

    def exists(self, name: str = "ci") -> bool:
        """Tell whether an endpoint's object is still there."""
        return self.world.get("WebhookEndpoint", TEAM, name) is not None

    def status(self, name: str = "ci") -> dict[str, Any]:
        """Return an endpoint's status, empty where there is none."""
        found: dict[str, Any] = self.endpoint(name).get("status") or {}
        return found

    def says(self, kind: str, name: str = "ci") -> str:
        """Return status and reason of a condition in two words, "" where it is not told."""
        told = {c["type"]: f"{c['status']} {c['reason']}" for c in self.status(name).get("conditions", ())}
        return told.get(kind, "")

    def message(self, kind: str = "Ready", name: str = "ci") -> str:
        """Return a condition's message."""
        return next(str(c["message"]) for c in self.status(name)["conditions"] if c["type"] == kind)

    def is_current(self, name: str = "ci") -> bool:
        """Tell what tools that wait for the endpoint conclude."""
        return is_current(self.endpoint(name)["metadata"]["generation"], self.status(name))

    def ready(self, name: str = "ci") -> str:
        """Return status and reason of Ready."""
        return self.says("Ready", name)

    def has_binding(self, name: str = "ci") -> bool:
        """Tell whether the endpoint has a binding Secret."""
        return self.endpoint(name)["metadata"]["uid"] in self.world.bindings()

    def binding(self, name: str = "ci") -> Binding:
        """Return an endpoint's binding."""
        found = contract.decode(self.world.bindings()[self.endpoint(name)["metadata"]["uid"]])
        assert isinstance(found, Binding)
        return found

    def verifying(self, name: str = "ci") -> list[bytes]:
        """Return the keys that verify, the current one first."""
        return [key.value.reveal() for key in self.binding(name).keys]

    def secret(self, name: str = "ci-webhook") -> dict[str, bytes] | None:
        """Return the data of a Secret of the tenant's, None where there is none; see `forward_secrets` for the rest."""
        found = self.world.get("Secret", TEAM, name)
        return None if found is None else {k: v for k, v in secret_data(found).items() if k not in _OF_TARGET}

    def forward_secrets(self, name: str = "ci-webhook") -> dict[str, bytes]:
        """Return the keys that a connection Secret has for the target."""
        found = self.world.get("Secret", TEAM, name)
        return {} if found is None else {k: v for k, v in secret_data(found).items() if k in _OF_TARGET}

    def connection(self, name: str = "ci-webhook") -> dict[str, bytes]:
        """Return the data of a connection Secret that has to exist."""
        found = self.secret(name)
        assert found is not None, f"no Secret {name}"
        return found

    def routes(self) -> list[dict[str, Any]]:
        """Return all routes."""
        return self.world.of_kind("Ingress", "HTTPRoute")

    def answer(self, name: str = "ci") -> int | str:
        """Return what receivers answer a call to the endpoint's URL with, by its binding; "verdict": it depends."""
        if not self.exists(name) or not self.has_binding(name):
            return 404
        found = self.binding(name)
        if found.segment is None or found.closed:
            return 404
        if not found.active:
            return found.inactive_response
        usable = found.auth["type"] == "none" or any(key.valid_at(self.now) for key in found.keys)
        return "verdict" if usable else 503


#: What users, the platform or an accident do to a stage.
Act = Callable[[Stage], object]

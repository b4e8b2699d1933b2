"""Watches over every write for what must hold whatever a test is about."""

from __future__ import annotations

import base64
from contextvars import ContextVar

from hookgate.control.cluster import Request
from hookgate.control.objects import secret_data
from hookgate.control.values import Object, Step
from hookgate.model import binding as contract

#: Shorter values stand in innocent texts by chance.
_SHORTEST = 6
_NOT_SECRET = ("url", "header", contract.DATA_KEY)


class Watchman:
    """``generated`` are all keys of our making that bindings ever held.

    ``reconciling`` is whose turn it is: no step may touch another tenant's namespace or another endpoint.
    """

    def __init__(self, system_namespace: str, binding_namespace: str) -> None:
        self._turn: ContextVar[Request | None] = ContextVar("turn", default=None)
        self._shared = {system_namespace, binding_namespace}
        self._binding_namespace = binding_namespace
        self.generated: set[bytes] = set()
        self._written: dict[str, list[bytes]] = {}
        self._secrets: set[str] = set()
        self._urls: set[str] = set()

    @property
    def reconciling(self) -> Request | None:
        return self._turn.get()

    @reconciling.setter
    def reconciling(self, request: Request) -> None:
        self._turn.set(request)

    def keep_from_status(self, secret: Object) -> None:
        """Remember the values of a Secret; the bindings' keys are among them."""
        data = secret_data(secret)
        values = [v for key, v in data.items() if key not in _NOT_SECRET]
        try:
            found = contract.decode(data[contract.DATA_KEY])
            kept = (*found.keys, *found.forward_keys) if isinstance(found, contract.Binding) else ()
            values += [key.value.reveal() for key in kept]
        except (KeyError, contract.UndecodableBinding):
            pass
        for value in (line for v in values for line in v.split(b"\n") if len(line) >= _SHORTEST):
            self._secrets |= {value.decode("latin-1"), base64.b64encode(value).decode(), value.hex()}
        if "url" in data:
            self._urls.add(data["url"].decode())

    def see_step(self, step: Step) -> None:
        """Hold that a step stays in the endpoint's own namespace and the two of the platform."""
        assert self.reconciling is not None, "nobody's turn"
        metadata = step.object["metadata"]
        kind, namespace = step.object["kind"], metadata.get("namespace")
        assert namespace in {self.reconciling.namespace, *self._shared}, f"{kind} in {namespace}"
        if kind == "WebhookEndpoint":
            assert Request(namespace, metadata["name"]) == self.reconciling
            assert "spec" not in step.object
            assert "status" not in step.object
        if kind == "Secret":
            self.keep_from_status(step.object)

    def see_binding(self, raw: bytes) -> None:
        """Count the keys of a binding that is stored."""
        try:
            found = contract.decode(raw)
        except contract.UndecodableBinding:
            return
        if isinstance(found, contract.Binding):
            made = (*(found.keys if found.form else ()), *found.forward_keys)
            self.generated |= {key.value.reveal() for key in made}

    def see_written(self, uid: str, raw: bytes) -> None:
        """Hold that a binding never gets bytes again that it had before others: they could be confirmed already."""
        before = self._written.setdefault(uid, [])
        if before[-1:] != [raw]:
            assert raw not in before, "a binding is again what it was before"
            before.append(raw)

    def see_text(self, text: str) -> None:
        """Hold that a text says no secret."""
        assert not [s for s in self._secrets if s in text], "a secret is told"

    def see_event(self, text: str) -> None:
        """Hold that an Event says neither a secret nor a URL that takes calls."""
        self.see_text(text)
        assert not [u for u in self._urls if u in text], "a URL is told"

"""What an operator of receivers may choose. Values only; reading them from anywhere is the caller's business."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from hookgate.model.store import StoreAddress
from hookgate.receiver.clients import Trust
from hookgate.receiver.edge import Bounds
from hookgate.receiver.replay import MARKS, MARKS_EACH
from hookgate.receiver.tls import TlsFiles


class Edge(StrEnum):
    """What speaks HTTP with the senders."""

    LEAN = "lean"
    UVICORN = "uvicorn"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverSettings:
    """Addresses, bounds and times; sizes in bytes, times in seconds. Port 0 lets the system choose.

    ``max_in_flight`` bounds the calls whose body is being read or delivered, ``max_in_flight_per_endpoint`` keeps one
    slow target from taking all of them, and ``max_held_bytes`` bounds the memory of their bodies, and as much again
    that of the targets' answers until senders have them.
    On SIGTERM readiness goes first; ``drain_delay`` later no connection is accepted any more (the time that load
    balancers need to hear of it), and calls in flight have ``grace`` to end: as long as a body and the slowest target
    may take together.
    ``loopback_targets`` allows targets on this host: right where no cluster is, and in a pod never.
    ``denied_targets`` are networks that targets may not be in, beside those that they never may.
    ``replay_marks`` bounds how many marks of calls are remembered, ``replay_marks_each`` those for one endpoint; a
    thousand take about 0.1 MB. ``replay_store`` is where receivers share that; ``replay_secret`` is a folder with what
    it takes to be let in there, and ``replay_seconds`` how long it may take to answer while callers wait.
    ``trust`` names the proxies in front; with ``proxy_protocol`` their connections begin with that protocol's header.
    ``tls`` is for receivers without an ingress in front; None: calls come in the clear.
    ``keep_alive`` must be longer than that of the proxies in front, which would else meet closing connections.
    """

    host: str = "0.0.0.0"  # noqa: S104 -- a receiver in a pod serves its Service
    port: int = 8080
    private_host: str = "0.0.0.0"  # noqa: S104 -- probes come from the node
    private_port: int = 8081
    max_body_bytes: int = 25 * 1024 * 1024
    max_response_bytes: int = 1024 * 1024
    max_in_flight: int = 1024
    max_in_flight_per_endpoint: int = 256
    max_held_bytes: int = 64 * 1024 * 1024
    body_seconds: float = 30.0
    keep_alive: int = 75
    drain_delay: float = 5.0
    grace: int = 90
    replay_marks: int = MARKS
    replay_marks_each: int = MARKS_EACH
    replay_store: StoreAddress | None = None
    replay_secret: Path | None = None
    replay_seconds: float = 1.0
    loopback_targets: bool = False
    denied_targets: tuple[str, ...] = ()
    tls: TlsFiles | None = None
    edge: Edge = Edge.LEAN
    bounds: Bounds = field(default_factory=Bounds)
    trust: Trust = field(default_factory=Trust)
    proxy_protocol: bool = False

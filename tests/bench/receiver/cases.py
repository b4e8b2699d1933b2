"""What is measured: a base case, and one factor changed at a time."""

from __future__ import annotations

from dataclasses import dataclass

from tests.bench.receiver import world

BASE_BODY, BASE_CONNECTIONS = 800, 32
CALL, UNKNOWN = world.path(world.CALLED), "/h/" + "a" * 32
RATE = 2_000
#: Up to and with this case no body is larger than usual, nor are there more connections.
LAST_SMALL = "body-200"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One row: who takes part, and what the client does. ``status`` is what everybody has to answer."""

    name: str
    title: str
    contenders: tuple[str, ...]
    status: str
    body: int = BASE_BODY
    connections: int = BASE_CONNECTIONS
    path: str = CALL
    forged: bool = False
    rate: int = 0
    unique: bool = False
    tls: bool = False

    def options(self) -> list[str]:
        """Return the client's options."""
        options = ["-path", self.path, "-body", str(self.body), "-connections", str(self.connections)]
        if self.forged:
            options.append("-forge")
        if self.rate:
            options += ["-rate", str(self.rate)]
        if self.unique:
            options.append("-unique")
        if self.tls:
            options.append("-tls")
        return options


_PROXIES = ("hookgate", "go-proxy", "nginx-proxy")


def _forward(name: str, title: str, contenders: tuple[str, ...] = _PROXIES, **changes: int | str) -> Case:
    return Case(name=name, title=title, contenders=contenders, status="202", **changes)  # type: ignore[arg-type]


CASES = (
    _forward("forward", "accept and forward", (*_PROXIES, "hookgate-source", "hookgate-uvicorn", "hookgate-10")),
    Case(
        name="refuse",
        title="refuse a bad signature",
        contenders=(
            "hookgate",
            "go-answer",
            "nginx-return",
            "webhook",
            "hookgate-source",
            "hookgate-uvicorn",
            "hookgate-10",
        ),
        status="401",
        forged=True,
    ),
    Case(
        name="unknown",
        title="unknown path",
        contenders=("hookgate", "go-answer", "webhook", "hookgate-uvicorn"),
        status="404",
        path=UNKNOWN,
    ),
    _forward(
        "unsigned",
        "forward, not signed for the target",
        ("hookgate", "go-proxy"),
        path=world.path(world.CALLED_UNSIGNED),
    ),
    _forward("replay-off", "forward, every call with another id", ("hookgate",), unique=True),
    _forward(
        "replay-on",
        "forward, repeated calls recognised",
        ("hookgate", "go-proxy"),
        path=world.path(world.CALLED_REPLAY),
        unique=True,
    ),
    _forward(LAST_SMALL, "forward 0.2 kB", body=200),
    _forward("body-20k", "forward 20 kB", body=20_000),
    _forward("body-1M", "forward 1,000 kB", body=1_000_000),
    _forward("connections-1", "forward, 1 connection", connections=1),
    _forward("connections-512", "forward, 512 connections", connections=512),
    _forward(
        "tls-target",
        "forward to a target with TLS",
        ("hookgate", "go-proxy-tls-target", "nginx-proxy-tls-target"),
        path=world.path(world.CALLED_TLS),
    ),
    _forward("tls", "forward, called over TLS", ("hookgate-tls", "go-proxy-tls", "nginx-proxy-tls"), tls=True),
    _forward("workers-2", "forward, 2 workers on both cores", ("hookgate-2", "go-proxy-2", "nginx-proxy-2")),
    _forward("latency", f"forward at {RATE:,} a second", (*_PROXIES, "hookgate-uvicorn"), rate=RATE),
)

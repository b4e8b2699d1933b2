"""What of a call goes to the target, and where: pure.

It may not know how bytes travel, nor whether the call was authentic: it is asked only about calls that were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import urlsplit

from hookgate.receiver.identity import PREFIX

Headers = Sequence[tuple[bytes, bytes]]
#: Scheme, host, port and CA: what makes two targets share connections.
Place = tuple[str, str, int, str | None]

#: Never passed on: hop-by-hop (RFC 9110, 7.6.1), what the client of the target writes itself, claims about earlier hops
#: that a sender could forge, and ``proxy``, which CGI-style targets take for the variable HTTP_PROXY.
_NOT_FORWARDED = frozenset(
    {
        b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization", b"te",
        b"trailer", b"transfer-encoding", b"upgrade", b"http2-settings", b"expect", b"host", b"content-length",
        b"forwarded", b"x-forwarded", b"x-real-ip", b"true-client-ip", b"x-client-ip", b"x-cluster-client-ip",
        b"cf-connecting-ip", b"x-envoy-external-address", b"x-original-forwarded-for", b"proxy",
    }
)  # fmt: skip
_FORGEABLE_PREFIXES = (b"x-forwarded-", PREFIX)

#: What `_spelling` has found: senders' headers are few, and come again and again.
_spellings: dict[bytes, bytes] = {}
_MOST_KNOWN, _LONGEST_KNOWN = 1_024, 64

_DEFAULT_PORTS = {"http": 80, "https": 443}


class InvalidTarget(ValueError):  # noqa: N818 -- the field's term
    """A target that cannot be called. The text names the part at fault and never repeats the URL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where authenticated calls go. ``path`` begins with a slash; ``query`` is the target's own, without the ``?``.

    ``ca`` are the certificates (PEM) that an https target is verified by; None: those of the system.
    """

    scheme: str
    host: str
    port: int
    path: str
    query: str
    timeout: float
    ca: str | None = None
    #: How every request begins that has no query but the target's own, up to the value of its length.
    start: bytes = field(init=False, repr=False, compare=False)
    place: Place = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", request_start(self, b""))
        object.__setattr__(self, "place", (self.scheme, self.host, self.port, self.ca))

    @property
    def authority(self) -> str:
        """Host and port as they stand in a URL; the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def parse_target(url: str, timeout_ms: int, ca: str | None = None) -> Target:
    """Take a binding's target apart; ``ca`` as in `Target`. Raises `InvalidTarget`."""
    if not url.isascii() or any(c <= " " or c == "\x7f" for c in url):
        raise InvalidTarget("target: has characters that a URL cannot have: percent-encode them")
    if timeout_ms <= 0:
        raise InvalidTarget("timeoutMs: must be positive")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise InvalidTarget("target: host or port cannot be read") from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise InvalidTarget("target: must begin with http:// or https://")
    if not host or "@" in parts.netloc:
        raise InvalidTarget("target: needs a host and takes no user or password")
    if parts.fragment:
        raise InvalidTarget("target: takes no fragment")
    return Target(
        scheme=parts.scheme,
        host=host,
        port=_DEFAULT_PORTS[parts.scheme] if port is None else port,
        path=parts.path or "/",
        query=parts.query,
        timeout=timeout_ms / 1000,
        ca=ca,
    )


def request_target(target: Target, query: bytes) -> str:
    """Return path and query for the request line.

    The caller's query is passed on only to a target that has none of its own: few schemes sign the query, and a caller
    must not be able to override a parameter that the endpoint's owner has set. ``query`` is ASCII, as the parser lets
    nothing else pass.
    """
    own = target.query or query.decode("ascii")
    return f"{target.path}?{own}" if own else target.path


def request_start(target: Target, query: bytes) -> bytes:
    """Return the first lines of a request for the target, up to the value of its length."""
    lines = f"POST {request_target(target, query)} HTTP/1.1\r\nhost: {target.authority}\r\ncontent-length: "
    return lines.encode("ascii")


def forwarded(url: str | None) -> tuple[tuple[bytes, bytes], ...]:
    """Return the headers that tell a target where its sender called. What the sender says of that is not passed on."""
    if url is None:
        return ()
    parts = urlsplit(url)
    return _forwarded(parts.scheme, parts.netloc)


@lru_cache(maxsize=256)  # most endpoints share their host with many others
def _forwarded(scheme: str, host: str) -> tuple[tuple[bytes, bytes], ...]:
    return ((b"x-forwarded-proto", scheme.encode()), (b"x-forwarded-host", host.encode("ascii")))


def end_to_end(headers: Headers, withheld: frozenset[bytes]) -> list[tuple[bytes, bytes]]:
    """Return the headers that belong to the target, in their order; names are lower-case.

    ``withheld`` are the names of those that carry the sender's secret: a target has no use for it.
    """
    kept = []
    named: set[bytes] = set()
    for header in headers:
        name = header[0]
        plain = _spelling(name)
        if plain and plain not in withheld:
            kept.append(header)
        elif name == b"connection":
            named.update(token.strip() for token in header[1].lower().split(b","))
    if named:
        return [(name, value) for name, value in kept if name not in named]
    return kept


def _spelling(name: bytes) -> bytes:
    """Return how a name is spelled with "-", and nothing for one that is never passed on.

    Targets in the manner of CGI cannot tell "_" from "-": a name must not get past in the other spelling.
    """
    found = _spellings.get(name)
    if found is None:
        plain = name.replace(b"_", b"-")
        found = b"" if plain in _NOT_FORWARDED or plain.startswith(_FORGEABLE_PREFIXES) else plain
        if len(name) <= _LONGEST_KNOWN:
            if len(_spellings) >= _MOST_KNOWN:
                _spellings.clear()
            _spellings[name] = found
    return found

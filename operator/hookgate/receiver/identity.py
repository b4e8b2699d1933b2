"""What a target is told of who was authenticated, signed so that it can believe it.

The signature is that of Standard Webhooks: HMAC-SHA256 of ``id.timestamp.body``. As it covers nothing else, the id says
everything: the endpoint, the sender's delivery id and its event type, each percent-encoded, with slashes between them.
The other headers repeat its parts for readers. A sender's own headers of these names never get here, and those of
Standard Webhooks itself (``webhook-id`` and so on) belong to the sender and pass. It may not know calls.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import quote

from hookgate.model.binding import Key
from hookgate.scheme.keyed import Mac, compile_mac

#: What all headers of ours begin with, and no header of a sender that is passed on.
PREFIX: Final = b"hookgate-"
_SECRET: Final = b"whsec_"
_NONCE: Final = 16
#: Longer ids and types than any sender has are cut: a target's server bounds its headers, too.
_LONGEST: Final = 256

Pair = tuple[bytes, bytes]


class Identity:
    """Signs for one endpoint."""

    __slots__ = ("_endpoint", "_keys", "_known", "_macs", "_start")

    def __init__(self, namespace: str, name: str, keys: Sequence[Key]) -> None:
        """Sign with all of ``keys`` that have not ended when a call is signed."""
        self._endpoint: Pair = (b"hookgate-endpoint", f"{namespace}/{name}".encode())
        self._start = f"{_written(namespace)}/{_written(name)}/"
        self._keys: Sequence[tuple[bytes, int | None]] = [(_decoded(key.value.reveal()), key.expires) for key in keys]
        #: Made of the keys by the first call: prepared, they take more than all else here, and most endpoints rest.
        self._macs: list[tuple[Mac, int | None]] | None = None
        #: Event types are few and come again and again.
        self._known: dict[str, str] = {}

    def add(  # noqa: PLR0913, PLR0917 -- called once for each call; keywords would cost time
        self,
        headers: list[Pair],
        delivery: str | None,
        event: str | None,
        body: bytes,
        now: float,
        draw: Callable[[int], bytes],
    ) -> None:
        """Add to ``headers`` those for one call that was authenticated ``now`` (unix seconds).

        ``draw`` gives random bytes, to name a call whose sender gives it no name: such a name begins with a tilde, as
        no sender's does here.
        """
        kind = self._kind(event) if event else ""
        named = _written(delivery) if delivery else ""
        message = f"{self._start}{named or '~' + draw(_NONCE).hex()}/{kind}".encode()
        stamp = b"%d" % now
        content = b"%b.%b.%b" % (message, stamp, body)
        macs = self._macs
        if macs is None:
            macs = self._macs = [(compile_mac(key, "sha256"), expires) for key, expires in self._keys]
            self._keys = ()
        signatures = [
            b"v1," + b2a_base64(mac(content), newline=False)
            for mac, expires in macs
            if expires is None or now < expires
        ]
        headers.append((b"hookgate-id", message))
        headers.append((b"hookgate-timestamp", stamp))
        headers.append((b"hookgate-signature", b" ".join(signatures)))
        headers.append(self._endpoint)
        if named:
            headers.append((b"hookgate-delivery", named.encode()))
        if kind:
            headers.append((b"hookgate-event", kind.encode()))

    def _kind(self, event: str) -> str:
        kind = self._known.get(event)
        if kind is None:
            if len(self._known) >= _LONGEST:
                self._known.clear()
            kind = self._known[event] = _written(event)
        return kind


def _decoded(secret: bytes) -> bytes:
    """Read a key as Standard Webhooks writes it. Raises ValueError for anything else."""
    if not secret.startswith(_SECRET):
        raise ValueError("a key that forwarded calls are signed with is not of the form whsec_")
    return a2b_base64(secret.removeprefix(_SECRET), strict_mode=True)


def _written(text: str) -> str:
    """Write a part of an id: letters, digits, "-" and "_" as they are, all else by its bytes."""
    if text.isascii() and len(text) <= _LONGEST and text.replace("-", "").replace("_", "").isalnum():
        return text  # as nearly all are
    return quote(text[:_LONGEST], safe="", errors="surrogatepass").replace(".", "%2E").replace("~", "%7E")

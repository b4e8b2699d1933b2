"""The sender's side: a call signed the way a descriptor asks, for trying an endpoint and for tests.

Pure like the rest of the package: the clock's reading and the delivery's name come from the caller.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from hookgate.scheme.descriptor import Descriptor, Encoding, Origin, SchemeType, parse
from hookgate.scheme.keys import Unusable, secret_bytes


class CannotSign(ValueError):  # noqa: N818 -- what happened
    """The descriptor, the key or the context does not allow a signed call. The text never repeats the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """What to send beside the body: headers in order. They carry the credential, so they do not print."""

    headers: list[tuple[str, str]] = field(repr=False)


ENCODERS: Final[Mapping[Encoding, Callable[[bytes], str]]] = {
    Encoding.HEX: bytes.hex,
    Encoding.BASE64: lambda raw: base64.b64encode(raw).decode(),
    Encoding.BASE64URL: lambda raw: base64.urlsafe_b64encode(raw).decode(),
}


def sign(  # noqa: PLR0913 -- everything that a scheme may sign, by name
    document: Mapping[str, Any],
    key: bytes,
    *,
    body: bytes,
    now: float,  # noqa: ARG001 -- for schemes with a timestamp
    method: str = "POST",  # noqa: ARG001 -- for schemes that sign it
    url: str | None = None,  # noqa: ARG001 -- for schemes that sign it
    delivery_id: str | None = None,
) -> Signed:
    """Return the headers that make a call pass the verifier of the same document and key.

    ``now`` is in unix seconds, ``url`` the endpoint's declared URL. Raises `InvalidDescriptor` for a document that is
    no descriptor and `CannotSign` for a key that the scheme cannot use.
    """
    descriptor = parse(document)
    headers = []
    if (
        delivery_id is not None
        and descriptor.delivery_id is not None
        and descriptor.delivery_id.origin is Origin.HEADER
    ):
        headers.append((descriptor.delivery_id.name, delivery_id))
    if descriptor.type is SchemeType.NONE:
        return Signed(headers=headers)
    secret = secret_bytes(descriptor, key)
    if isinstance(secret, Unusable):
        raise CannotSign(secret.problem)
    source = descriptor.source
    if source is None or source.origin is not Origin.HEADER:
        raise CannotSign("The credential of this scheme stands in no header.")
    headers.append((source.name, descriptor.prefix + _credential(descriptor, secret, body)))
    return Signed(headers=headers)


def _credential(descriptor: Descriptor, secret: bytes, body: bytes) -> str:
    if descriptor.type is SchemeType.TOKEN:
        return secret.decode("latin-1")
    return ENCODERS[descriptor.encoding](hmac.digest(secret, body, descriptor.algorithm.value))

"""The signed message: a descriptor's parts, put together from one request as raw bytes.

The verifier and the signer build it with the same function. The URL is always the declared one: a request's Host and
forwarding headers are the caller's words. Only the query is the request's own, since the signature covers it.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from functools import partial
from typing import Final

from hookgate.scheme.descriptor import Descriptor, Origin, Part, PartKind, Place
from hookgate.scheme.inputs import Declared, Inputs, Reader, compile_reader
from hookgate.scheme.request import Reason
from hookgate.scheme.sns import signed_lines

#: Takes the request and the raw timestamp.
MessageBuilder = Callable[[Inputs, bytes], bytes | Reason]
_PartReader = Callable[[Inputs, bytes], bytes | Reason | None]

#: The escapes that HubSpot decodes before signing, and no others: `: / ? @ ! $ ' ( ) * , ;`. Source: HubSpot's page on
#: validating requests, version 3.
_HUBSPOT: Final = re.compile(rb"%(?:3[ABF]|2[1F4789AC]|40)", re.IGNORECASE)


def compile_message(descriptor: Descriptor, declared: Declared, url: str | None) -> MessageBuilder:
    """Return the function that builds the message; it answers a reason where a part is absent or ambiguous."""
    if descriptor.message == (Part(kind=PartKind.BODY),):
        return lambda inputs, _time: inputs.request.body
    readers = tuple(_part(part, declared, url or "") for part in descriptor.message)

    def build(inputs: Inputs, time: bytes) -> bytes | Reason:
        parts = []
        for read in readers:
            value = read(inputs, time)
            if not isinstance(value, bytes):
                return value or Reason.MISSING_CREDENTIAL
            parts.append(value)
        return b"".join(parts)

    return build


def _part(part: Part, declared: Declared, url: str) -> _PartReader:
    match part.kind:
        case PartKind.LITERAL:
            literal = part.text.encode()
            return lambda _inputs, _time: literal
        case PartKind.TIMESTAMP:
            return lambda _inputs, time: time
        case PartKind.BODY:
            return lambda inputs, _time: inputs.request.body
        case PartKind.BODY_CRC32:
            return lambda inputs, _time: b"%d" % binascii.crc32(inputs.request.body)
        case PartKind.METHOD:
            return lambda inputs, _time: inputs.request.method.encode("ascii", "replace")
        case PartKind.URL:
            return partial(_full_url, url.encode())
        case PartKind.URL_HUBSPOT:
            return lambda inputs, time: _HUBSPOT.sub(_unescaped, _full_url(url.encode(), inputs, time))
        case PartKind.SNS_LINES:
            return lambda inputs, _time: signed_lines(inputs.json())
        case PartKind.SORTED_FORM:
            declared.of("content-type")
            return lambda inputs, _time: _sorted_form(inputs.form())
        case PartKind.JSON_OR_EMPTY:
            optional = compile_reader(Place(origin=Origin.JSON, name=part.text), declared)
            return lambda inputs, _time: _or_empty(optional(inputs))
        case PartKind.HEADER | PartKind.JSON | PartKind.FORM:
            return _ignoring_time(compile_reader(Place(origin=Origin(part.kind.value), name=part.text), declared))


def _ignoring_time(read: Reader) -> _PartReader:
    return lambda inputs, _time: read(inputs)


def _or_empty(value: bytes | Reason | None) -> bytes | Reason:
    return b"" if value is None else value


def _full_url(declared: bytes, inputs: Inputs, _time: bytes) -> bytes:
    query = inputs.request.query
    return declared.partition(b"?")[0] + b"?" + query if query else declared


def _unescaped(match: re.Match[bytes]) -> bytes:
    return binascii.unhexlify(match[0][1:])


def _sorted_form(fields: dict[bytes, list[bytes]] | None) -> bytes | Reason:
    """Join names and values, sorted by name, then by value, as Twilio's libraries do with repeated names.

    The same name and value twice would vanish in that set, so it is refused: the target would see another form.
    """
    if fields is None:
        return Reason.UNREADABLE_BODY
    joined: list[bytes] = []
    for name in sorted(fields):
        values = sorted(set(fields[name]))
        if len(values) < len(fields[name]):
            return Reason.DUPLICATE_CREDENTIAL
        joined.extend(name + value for value in values)
    return b"".join(joined)

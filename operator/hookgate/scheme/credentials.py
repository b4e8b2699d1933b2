"""From a request to the credentials it carries: where they stand, and how one value holds several.

The result is the written credentials without their prefix, not yet decoded, and the timestamp if it stands among them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hookgate.scheme.descriptor import Descriptor, FormatKind, Origin, SchemeType
from hookgate.scheme.inputs import Declared, Inputs, compile_reader
from hookgate.scheme.request import Reason

#: Items in one list; a sender that rotates keys sends two or three.
MAX_ITEMS: Final = 32


#: The credentials of one request, at least one, and the timestamp that stands among them. A bare tuple: one is made
#: for every call.
Carried = tuple[tuple[bytes, ...], bytes | None]

Splitter = Callable[[bytes], Carried | Reason]


def compile_credentials(descriptor: Descriptor, declared: Declared) -> Callable[[Inputs], Carried | Reason]:
    """Return the function that finds a request's credentials, or says why there are none to try."""
    source = descriptor.source
    assert source is not None, "the grammar gives every credential a place"
    split = _compile_format(descriptor)
    if source.origin in (Origin.ANY_HEADER, Origin.NUMBERED):
        return _several(tuple(declared.of(name) for name in source.headers), split)
    read = compile_reader(source, declared)

    def one(inputs: Inputs) -> Carried | Reason:
        value = read(inputs)
        if value is None:
            return Reason.MISSING_CREDENTIAL
        return value if isinstance(value, Reason) else split(value)

    return one


def _several(names: tuple[bytes, ...], split: Splitter) -> Callable[[Inputs], Carried | Reason]:
    def several(inputs: Inputs) -> Carried | Reason:
        values: list[bytes] = []
        for name in names:
            value = inputs.found.get(name)
            if value is not None:
                carried = split(value)
                if isinstance(carried, Reason):
                    return carried
                values.extend(carried[0])
        return (tuple(values), None) if values else Reason.MISSING_CREDENTIAL

    return several


def _compile_format(descriptor: Descriptor) -> Splitter:
    shape = descriptor.format
    separator, prefix = shape.separator.encode(), descriptor.prefix.encode()
    at = descriptor.timestamp.place if descriptor.timestamp is not None else None
    match shape.kind:
        case FormatKind.PLAIN:
            return _basic if descriptor.type is SchemeType.BASIC else _plain(prefix)
        case FormatKind.LIST:
            return _list(separator, prefix, shape.behind.encode())
        case FormatKind.KV_LIST:
            time_key = at.name if at is not None and at.origin is Origin.KV else None
            return _kv_list(separator, shape.key.encode(), time_key.encode() if time_key is not None else None)
        case FormatKind.POSITIONAL:
            index = int(at.name) if at is not None and at.origin is Origin.INDEX else None
            return _positional(separator, shape.first, index)


def _plain(prefix: bytes) -> Splitter:
    skip = len(prefix)

    def split(value: bytes) -> Carried | Reason:
        return ((value[skip:],), None) if value.startswith(prefix) else Reason.WRONG_PREFIX

    return split


def _basic(value: bytes) -> Carried | Reason:
    """Take the credentials of RFC 7617, whose scheme name has no case."""
    if value[:6].lower() == b"basic ":
        return (value[6:],), None
    return Reason.WRONG_PREFIX


def _items(value: bytes, separator: bytes) -> list[bytes] | Reason:
    items = [item.strip(b" \t") for item in value.split(separator, MAX_ITEMS)]
    return items if len(items) <= MAX_ITEMS else Reason.MALFORMED_CREDENTIAL


def _list(separator: bytes, prefix: bytes, behind: bytes) -> Splitter:
    """Items without the prefix belong to other versions of the scheme and are passed over, as are bare names."""

    def split(value: bytes) -> Carried | Reason:
        items = _items(value, separator)
        if isinstance(items, Reason):
            return items
        values = tuple(item[len(prefix) :] for item in items if item.startswith(prefix))
        if not values:
            return Reason.WRONG_PREFIX
        if behind:
            values = tuple(value.partition(behind)[2] for value in values if behind in value)
        return (values, None) if values else Reason.MALFORMED_CREDENTIAL

    return split


def _kv_list(separator: bytes, key: bytes, time_key: bytes | None) -> Splitter:
    """A repeated key means several signatures; a repeated timestamp means nothing and is refused."""

    def split(value: bytes) -> Carried | Reason:
        items = _items(value, separator)
        if isinstance(items, Reason):
            return items
        values, times = [], []
        for item in items:
            name, equals, text = item.partition(b"=")
            if not equals:
                return Reason.MALFORMED_CREDENTIAL
            if name == key:
                values.append(text)
            elif name == time_key:
                times.append(text)
        if len(times) > 1:
            return Reason.DUPLICATE_CREDENTIAL
        return (tuple(values), times[0] if times else None) if values else Reason.MALFORMED_CREDENTIAL

    return split


def _positional(separator: bytes, first: int, index: int | None) -> Splitter:
    def split(value: bytes) -> Carried | Reason:
        items = _items(value, separator)
        if isinstance(items, Reason):
            return items
        values = tuple(items[first:])
        time = items[index] if index is not None and index < len(items) else None
        return (values, time) if values else Reason.MALFORMED_CREDENTIAL

    return split

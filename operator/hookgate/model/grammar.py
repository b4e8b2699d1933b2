"""The small languages inside a manifest: names, headers, durations, paths, URLs.

Each is an allow-list, narrower than its standard wherever a wider one could smuggle something into a gateway's
configuration or make two readers understand one text differently. The CRD states the same rules in CEL with the same
messages. This module may not know where in a manifest a text stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

_LABEL = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_HOST_LABEL = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
# The last label of a name begins with a letter, so that no odd spelling of an address passes for a name.
_TOP_LABEL = r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?"
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
#: One group of an IPv6 address, and all ways to leave groups out. An IPv4 address as its end is not written here.
_GROUP = r"[0-9A-Fa-f]{1,4}"
_IPV6 = "|".join(
    (
        rf"(?:{_GROUP}:){{7}}{_GROUP}",
        *(rf"(?:{_GROUP}:){{1,{7 - n}}}(?::{_GROUP}){{1,{n}}}" for n in range(1, 7)),
        rf"(?:{_GROUP}:){{1,7}}:",
        rf":(?:(?::{_GROUP}){{1,7}}|:)",
    )
)
_PORT = r"6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3}"
_PATH = r"/[A-Za-z0-9/._~@:+=,-]*"

_URL = re.compile(
    rf"(?P<scheme>https?)://(?P<host>(?:{_HOST_LABEL}\.)*{_TOP_LABEL}|(?:{_OCTET}\.){{3}}{_OCTET})"
    rf"(?::(?P<port>{_PORT}))?(?P<path>{_PATH})?(?:\?(?P<query>[A-Za-z0-9/._~@:+=,&%?-]*))?"
)
_ISSUER = re.compile(rf"https://(?:{_HOST_LABEL}\.)*{_TOP_LABEL}(?::(?:{_PORT}))?(?P<path>{_PATH})?")
_DURATION = re.compile(r"(?P<number>0|[1-9][0-9]{0,6})(?P<unit>ms|s|m)|(?P<hours>0|[1-9][0-9]{0,3})h")
_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000}
_HOUR_MS = 3_600_000

#: Headers that say nothing about a sender: HTTP's own (RFC 9110, hop-by-hop or framing) and those that proxies write.
POWERLESS_HEADERS = frozenset(
    {
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "date",
        "expect",
        "forwarded",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
        "x-real-ip",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The durations that a field takes, in milliseconds, and what to say about all others."""

    default: int
    low: int
    high: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Grammar:
    """A language: at most ``longest`` characters, and every check true; each brings the message for its failure."""

    longest: int
    checks: tuple[tuple[Callable[[str], bool], str], ...]

    def fault(self, text: str) -> str | None:
        """Return what is wrong with ``text`` and what to do, or None. Never repeats the text."""
        if len(text) > self.longest:
            return f"write at most {self.longest} characters"
        return next((message for check, message in self.checks if not check(text)), None)


def _all_of(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda text: compiled.fullmatch(text) is not None


_is_key = _all_of(r"[-._a-zA-Z0-9]+")
_is_path = _all_of(_PATH)

SECRET_NAME = Grammar(
    longest=253,
    checks=(
        (
            _all_of(rf"{_LABEL}(?:\.{_LABEL})*"),
            'write a Secret name: lower-case letters, digits, "-" and ".", beginning and ending with a letter or digit',
        ),
    ),
)
SECRET_KEY = Grammar(
    longest=253,
    checks=(
        (
            lambda text: _is_key(text) and text != "." and not text.startswith(".."),
            'write a key of a Secret: letters, digits, "-", "_" and ".", not beginning with ".."',
        ),
    ),
)
SERVICE_NAME = Grammar(
    longest=63,
    checks=(
        (
            _all_of(_LABEL),
            'write a Service name: lower-case letters, digits and "-", beginning and ending with a letter or digit',
        ),
    ),
)
PROVIDER = Grammar(
    longest=63,
    checks=(
        (
            _all_of(_LABEL),
            'write the name of a preset: lower-case letters, digits and "-", '
            "beginning and ending with a letter or digit",
        ),
    ),
)
HEADER = Grammar(
    longest=128,
    checks=(
        (
            _all_of(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"),
            'write the name of an HTTP header: letters, digits and "-", without a colon or spaces',
        ),
        (
            lambda text: text.lower() not in POWERLESS_HEADERS and not text.lower().startswith("x-forwarded-"),
            "choose another header: this one belongs to HTTP or to proxies on the way and can never prove who the "
            "sender is",
        ),
    ),
)
#: A header that is read beside the credential: HTTP's own may be signed too.
ANY_HEADER = Grammar(longest=128, checks=HEADER.checks[:1])
HEADER_PREFIX = Grammar(longest=120, checks=HEADER.checks[:1])
JSON_PATH = Grammar(
    longest=128,
    checks=(
        (
            _all_of(r"[\x20-\x2d\x2f-\x7e]+(?:\.[\x20-\x2d\x2f-\x7e]+)*"),
            "write the names of members, joined by single dots, such as data.id",
        ),
    ),
)
_WORD_CHECK = (_all_of(r"[\x21-\x7e]+"), "write printable ASCII characters without spaces")
WORD = Grammar(longest=64, checks=(_WORD_CHECK,))
FIELD = Grammar(longest=128, checks=(_WORD_CHECK,))
_NOT_EMPTY = (lambda text: text != "", "write something; it must not be empty")
LITERAL = Grammar(longest=128, checks=(_NOT_EMPTY,))
PUBLIC_KEY = Grammar(longest=8192, checks=(_NOT_EMPTY,))
#: The body of a fixed answer.
ANSWER = Grammar(longest=1024, checks=((_all_of(r"[\x20-\x7e]*"), "write printable ASCII characters"),))
#: What has to stand at a place, or is answered as it is.
WHOLE_TEXT = Grammar(longest=128, checks=((_all_of(r"[\x20-\x7e]+"), "write printable ASCII characters"),))
MEMBER = Grammar(
    longest=64, checks=((_all_of(r"[A-Za-z0-9_.-]+"), 'write a name of letters, digits, "_", "." and "-"'),)
)
ANSWER_HEADER = Grammar(
    longest=64,
    checks=(
        (
            lambda text: (
                re.fullmatch(r"x-[a-z0-9-]+", text.lower()) is not None and text.lower() != "x-content-type-options"
            ),
            'write a header name that begins with "X-", such as X-Hook-Secret',
        ),
    ),
)
ORIGIN = Grammar(
    longest=253,
    checks=((_all_of(r"\*|[a-z0-9][a-z0-9.:_-]*"), 'write the lower-case name of a sender, or "*" for any'),),
)
TOPIC = Grammar(
    longest=512,
    checks=(
        (
            _all_of(r"arn:aws(?:-cn|-us-gov)?:sns:[a-z0-9-]{3,32}:[0-9]{12}:[A-Za-z0-9_-]{1,256}(?:\.fifo)?"),
            "write the ARN of a topic of Amazon SNS, such as arn:aws:sns:eu-west-1:123456789012:orders",
        ),
    ),
)
CLAIM_NAME = Grammar(
    longest=128,
    checks=(
        _WORD_CHECK,
        (
            lambda text: text not in ("iss", "aud", "exp", "nbf", "iat", "jti"),
            "name a claim that says whose token it is, such as sub, email or repository",
        ),
    ),
)
CLAIM_TEXT = Grammar(
    longest=512,
    checks=(
        (
            _all_of(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?"),
            "write printable ASCII characters that neither begin nor end with a space",
        ),
    ),
)
PREFIX = Grammar(
    longest=64,
    checks=(
        (
            _all_of(r"(?:[\x21-\x7e][\x20-\x7e]*)?"),
            "write printable ASCII characters that do not begin with a space; headers carry nothing else",
        ),
    ),
)
ROTATION = Grammar(
    longest=64,
    checks=(
        (
            _all_of(r"[A-Za-z0-9._:+-]+"),
            'write letters, digits, ".", "_", ":", "+" and "-", such as 2026-11',
        ),
    ),
)
HOST = Grammar(
    longest=253,
    checks=(
        (
            _all_of(rf"(?:{_HOST_LABEL}\.)*{_HOST_LABEL}"),
            "write a lower-case DNS name without a port, path or wildcard, such as hooks.example.com",
        ),
    ),
)
NETWORK = Grammar(
    longest=43,
    checks=(
        (
            _all_of(
                rf"(?:{_OCTET}\.){{3}}{_OCTET}(?:/(?:3[0-2]|[12]?[0-9]))?"
                rf"|(?:{_IPV6})(?:/(?:12[0-8]|1[01][0-9]|[1-9]?[0-9]))?"
            ),
            "write an IPv4 or IPv6 address, or a network such as 192.0.2.0/24 or 2001:db8::/32",
        ),
    ),
)
PATH = Grammar(
    longest=1024,
    checks=(
        (
            lambda text: _is_path(text) and has_plain_segments(text),
            'write a path that begins with "/" and has only letters, digits and . _ ~ @ : + = , - between single '
            'slashes, no "." or ".." as a part',
        ),
    ),
)
URL = Grammar(
    longest=2048,
    checks=(
        (
            lambda text: _URL.fullmatch(text) is not None,
            "write http:// or https://, a lower-case host name, and at most a port, a path of letters, digits and "
            ". _ ~ @ : + = , - and a query: no user, no fragment, no spaces",
        ),
        (
            lambda text: (match := _URL.fullmatch(text)) is not None and has_plain_segments(match["path"] or "/"),
            'write a path without "//" and without "." or ".." as a part',
        ),
    ),
)


#: An issuer of tokens or the place of its keys: https, by name, without a query.
ISSUER = Grammar(
    longest=512,
    checks=(
        (
            lambda text: (match := _ISSUER.fullmatch(text)) is not None and has_plain_segments(match["path"] or "/"),
            "write https://, a lower-case host name, and at most a port and a path of letters, digits and "
            '. _ ~ @ : + = , - without "//", "." or ".." as a part',
        ),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpUrl:
    """The parts of a URL that compare exactly: ``port`` is never None, ``path`` never empty; the query is left out."""

    scheme: str
    host: str
    port: int
    path: str


def split_url(text: str) -> HttpUrl | None:
    """Take apart a URL of the grammar `URL`; None for any other text."""
    if URL.fault(text) is not None:
        return None
    match = _URL.fullmatch(text)
    assert match is not None, "the grammar is this very pattern"
    scheme = match["scheme"]
    port = int(match["port"] or ("443" if scheme == "https" else "80"))
    return HttpUrl(scheme=scheme, host=match["host"], port=port, path=match["path"] or "/")


def duration_ms(text: str) -> int | None:
    """Read one number with one unit (ms, s, m, h) as milliseconds; None for any other text."""
    match = _DURATION.fullmatch(text)
    if match is None:
        return None
    if match["hours"] is not None:
        return int(match["hours"]) * _HOUR_MS
    return int(match["number"]) * _UNIT_MS[match["unit"]]


def has_plain_segments(path: str) -> bool:
    """Tell whether no part of a path means "here" or "up" and no two slashes meet."""
    return "//" not in path and not any(part in (".", "..") for part in path.split("/"))

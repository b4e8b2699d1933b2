"""The descriptor: how one scheme authenticates a call, as checked values.

`hookgate.scheme.grammar` reads them from a document; this module may not know keys, requests or presets. It holds what
a scheme can say, and what follows from it: what a signature covers is derived here and never declared.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hookgate.model.endpoint import FieldError

#: How many numbered headers are looked for: as many keys as a sender may hold.
MAX_NUMBERED = 100


#: The members that Amazon SNS signs of a message and of a question about a subscription, in its order.
SNS_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
SNS_SUBSCRIPTION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")


class InvalidDescriptor(ValueError):  # noqa: N818 -- the grammar's term: an invalid descriptor
    """A document that breaks the grammar. ``error`` names the member, relative to the document."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.error = FieldError(field=field, message=message)


class SchemeType(StrEnum):
    """The families of schemes. Names agree with the auth types of an endpoint."""

    HMAC = "hmac"
    SIGNATURE = "signature"
    TOKEN = "token"  # noqa: S105 -- the name of a type
    BASIC = "basic"
    JWT = "jwt"
    NONE = "none"


class Algorithm(StrEnum):
    """What computes or checks the signature: the first three are HMACs, the others asymmetric."""

    SHA1 = "sha1"
    SHA256 = "sha256"
    SHA512 = "sha512"
    ED25519 = "ed25519"
    ECDSA_P256 = "ecdsa-p256-sha256"
    RSA_PKCS1 = "rsa-pkcs1-sha256"
    RSA_PKCS1_SHA1 = "rsa-pkcs1-sha1"


HASHES = (Algorithm.SHA1, Algorithm.SHA256, Algorithm.SHA512)
ASYMMETRIC = (Algorithm.ED25519, Algorithm.ECDSA_P256, Algorithm.RSA_PKCS1, Algorithm.RSA_PKCS1_SHA1)


class Encoding(StrEnum):
    """How signature bytes are written."""

    HEX = "hex"
    BASE64 = "base64"
    BASE64URL = "base64url"


class KeyForm(StrEnum):
    """How a secret's text becomes key bytes. Always stated, never guessed from what the text looks like."""

    UTF8 = "utf8"
    BASE64 = "base64"
    WHSEC = "whsec"
    HEX = "hex"
    DIGEST_SHA1 = "digest-sha1"
    PEM = "pem"


class Origin(StrEnum):
    """Where a value stands in a request. KV and INDEX point into the value that carries the signature."""

    HEADER = "header"
    ANY_HEADER = "anyHeader"
    NUMBERED = "numberedHeaders"
    JSON = "json"
    FORM = "form"
    QUERY = "query"
    KV = "kv"
    INDEX = "index"


class FormatKind(StrEnum):
    """How one carried value holds one or more signatures."""

    PLAIN = "plain"
    KV_LIST = "kvList"
    LIST = "list"
    POSITIONAL = "positional"


class Notation(StrEnum):
    """How a timestamp is written."""

    UNIX = "unix"
    UNIX_MS = "unix-ms"
    RFC3339 = "rfc3339"
    IMF_FIXDATE = "imf-fixdate"


class PartKind(StrEnum):
    """The parts of a signed message. The first group takes a text, the second stands alone."""

    LITERAL = "literal"
    HEADER = "header"
    JSON = "json"
    #: As json, but an absent member or null counts as empty text.
    JSON_OR_EMPTY = "jsonOrEmpty"
    FORM = "form"

    BODY = "body"
    TIMESTAMP = "timestamp"
    METHOD = "method"
    URL = "url"
    #: The URL with the percent escapes decoded that HubSpot's v3 signature decodes.
    URL_HUBSPOT = "urlHubspot"
    #: Every form field as name and value, sorted by name, with nothing between.
    SORTED_FORM = "sortedForm"
    #: CRC-32 of the body in decimal.
    BODY_CRC32 = "bodyCrc32"
    #: The members that Amazon SNS signs, as it writes them for that.
    SNS_LINES = "snsLines"


PARTS_WITH_TEXT = (PartKind.LITERAL, PartKind.HEADER, PartKind.JSON, PartKind.JSON_OR_EMPTY, PartKind.FORM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place in a request: a header's name, a dotted JSON path (``*`` for every element), a field's name.

    ``name`` holds several header names, separated by spaces, for ANY_HEADER and a prefix for NUMBERED.
    """

    origin: Origin
    name: str

    @property
    def headers(self) -> tuple[str, ...]:
        """The names of all headers in which the value may stand; empty where it stands in none."""
        match self.origin:
            case Origin.HEADER | Origin.ANY_HEADER:
                return tuple(self.name.split(" "))
            case Origin.NUMBERED:
                return tuple(f"{self.name}{n}" for n in range(1, MAX_NUMBERED + 1))
            case _:
                return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """``separator`` divides the value; ``key`` is the kvList's, ``first`` the positional list's first signature.

    ``behind`` is what a list's signatures stand behind, each in its item: what comes before names a key.
    """

    kind: FormatKind = FormatKind.PLAIN
    separator: str = ","
    key: str = ""
    first: int = 0
    behind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimestampRule:
    """``tolerance`` in seconds, both ways; with ``enforce`` off the timestamp only takes part in the message."""

    place: Place
    notation: Notation = Notation.UNIX
    tolerance: int = 300
    enforce: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of the signed message."""

    kind: PartKind
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyDigest:
    """A place that must hold the plain hash of the body: the signature covers the place instead of the body."""

    place: Place
    algorithm: Algorithm
    encoding: Encoding


class Method(StrEnum):
    """The methods with which senders try an endpoint."""

    GET = "GET"
    HEAD = "HEAD"
    OPTIONS = "OPTIONS"
    POST = "POST"


class AnswerKind(StrEnum):
    """How a handshake is answered."""

    EMPTY = "empty"
    TEXT = "text"
    JSON = "json"
    HEADER = "header"
    WEBHOOK_ORIGIN = "webhookOrigin"


class Fill(StrEnum):
    """What a member of a JSON answer is made of, if it is no constant."""

    VALUE = "value"
    HMAC = "hmac"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Something has to stand at ``place``: exactly ``equals``, or with None anything."""

    place: Place
    equals: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HmacRule:
    """How the HMAC of a handshake's value is written; key and algorithm are the scheme's own."""

    encoding: Encoding
    prefix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """``header`` is for HEADER, ``members`` for JSON, ``origins`` and ``rate`` (calls a minute) for WEBHOOK_ORIGIN."""

    kind: AnswerKind
    header: str = ""
    members: tuple[tuple[str, Fill | str | int], ...] = ()
    origins: tuple[str, ...] = ()
    rate: str = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class HandshakeRule:
    """One question that a sender asks before it delivers, and the answer; answered here, never delivered.

    It is this question when the method is ``method``, every condition of ``when`` holds and something stands at
    ``value``. ``authenticated``: only a call that the scheme has verified is answered. ``verify_token``: the place of
    the token that `hookgate.scheme.handshake.verify_token` derives.
    """

    method: Method
    answer: Answer
    when: tuple[Condition, ...] = ()
    authenticated: bool = False
    verify_token: Place | None = None
    value: Place | None = None
    hmac: HmacRule | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SnsRule:
    """The topics whose messages count, and whether subscriptions to them are confirmed."""

    topics: frozenset[str]
    confirm: bool = False


class TextType(StrEnum):
    """What a fixed answer is."""

    PLAIN = "text/plain"
    JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class SuccessResponse:
    """What the sender wants to hear once its call was taken, in place of the target's own answer."""

    status: int = 200
    body: str = ""
    content_type: TextType = TextType.PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """One scheme, checked. Members that a type does not have keep their defaults."""

    type: SchemeType
    source: Place | None = None
    prefix: str = ""
    format: Format = Format()
    algorithm: Algorithm = Algorithm.SHA256
    encoding: Encoding = Encoding.HEX
    key: KeyForm = KeyForm.UTF8
    timestamp: TimestampRule | None = None
    message: tuple[Part, ...] = (Part(kind=PartKind.BODY),)
    body_digest: BodyDigest | None = None
    sns: SnsRule | None = None
    delivery_id: Place | None = None
    event_type: Place | None = None
    handshake: tuple[HandshakeRule, ...] = ()
    success: SuccessResponse | None = None

    @property
    def signs(self) -> bool:
        """Tell whether the credential is computed over a message."""
        return self.type in (SchemeType.HMAC, SchemeType.SIGNATURE)

    @property
    def covers_body(self) -> bool:
        """Tell whether a signature is bound to the whole body. A token is bound to nothing."""
        return self.signs and (self.has(PartKind.BODY, PartKind.SORTED_FORM) or self.body_digest is not None)

    def has(self, *kinds: PartKind) -> bool:
        """Tell whether the message has a part of one of these kinds."""
        return any(part.kind in kinds for part in self.message)

    @property
    def needs_url(self) -> bool:
        """Tell whether the declared URL takes part in the message."""
        return self.signs and self.has(PartKind.URL, PartKind.URL_HUBSPOT)

    def covers(self, place: Place | None) -> bool:
        """Tell whether changing what stands at ``place`` breaks the signature."""
        if place is None or not self.signs:
            return False
        if self.timestamp is not None and place == self.timestamp.place and self.has(PartKind.TIMESTAMP):
            return True
        if place.origin in (Origin.JSON, Origin.FORM) and self.covers_body:
            return True
        if place.origin is Origin.JSON and self.has(PartKind.SNS_LINES):
            return place.name in (*SNS_NOTIFICATION, *SNS_SUBSCRIPTION)
        same = {Origin.HEADER: PartKind.HEADER, Origin.JSON: PartKind.JSON, Origin.FORM: PartKind.FORM}
        kind = same.get(place.origin)
        # Only names of headers have no case: two members of a document may differ in nothing else.
        spell = str.lower if place.origin is Origin.HEADER else str
        return any(part.kind is kind and spell(part.text) == spell(place.name) for part in self.message)

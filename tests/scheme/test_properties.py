"""For any bytes at all there is a verdict; and whatever is signed here, verifies here."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hookgate.scheme.body import at_path, read_form, read_json
from hookgate.scheme.descriptor import Encoding as Written
from hookgate.scheme.descriptor import InvalidDescriptor, Notation
from hookgate.scheme.encodings import DECODERS, ENCODERS
from hookgate.scheme.generate import check_key, generate
from hookgate.scheme.grammar import parse
from hookgate.scheme.presets import Presets
from hookgate.scheme.request import Request, Verdict
from hookgate.scheme.sign import CannotSign, Signed, sign
from hookgate.scheme.times import READERS, WRITERS
from hookgate.scheme.verify import compile_verifier
from tests.scheme.kit import judge, key, preset, scheme
from tests.scheme.senders import NOW, SENDERS, SNS_MEMBERS, URL, ed25519_key, p256_key, rsa_key

NAMES = Presets.builtin().names
quick = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
thorough = settings(max_examples=200, deadline=None)

JUNK = st.one_of(
    st.binary(max_size=64),
    st.text(alphabet='tsv01=,;: .{}[]"\\%&+-_/AZaz09\x00\xff', max_size=64).map(lambda text: text.encode("latin-1")),
)


def headers_read(name: str) -> list[bytes]:
    """The headers of a real call of that sender, as bytes in lower case."""
    call = SENDERS[name]()
    return [header.lower().encode() for header in [*call.headers, "content-type"]]


@pytest.mark.parametrize("name", NAMES)
@quick
@given(data=st.data())
def test_any_bytes_anywhere_get_a_verdict(name: str, data: st.DataObject) -> None:
    known = headers_read(name)
    real = SENDERS[name]()
    chosen = data.draw(st.lists(st.tuples(st.sampled_from(known), JUNK), max_size=4))
    rest = [(h.lower().encode(), v.encode()) for h, v in real.headers.items() if data.draw(st.booleans())]
    body = data.draw(st.one_of(JUNK, st.just(real.body)))
    request = Request(method="POST", headers=[*rest, *chosen], query=data.draw(JUNK), body=body)
    verdict = compile_verifier(scheme(name), [key(real.secret)], url=URL)(request, float(NOW))
    assert isinstance(verdict, Verdict)
    assert verdict.accepted is (verdict.reason is None)


@pytest.mark.parametrize("name", NAMES)
@quick
@given(secret=st.binary(max_size=80))
def test_any_secret_is_usable_or_said_to_be_wrong(name: str, secret: bytes) -> None:
    problem = check_key(scheme(name), secret)
    verdict = judge(scheme(name), SENDERS[name]().headers, key(secret), body=b"{}")
    assert (verdict.reason == "no-usable-key") is (problem is not None)


def private_pem(name: str) -> bytes:
    rsa_signed = str(scheme(name)["algorithm"]).startswith("rsa")
    made = rsa_key() if rsa_signed else p256_key() if name == "sendgrid" else ed25519_key()
    return made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


BODIES: dict[str, Any] = {
    "microsoft-graph": {"value": [{"resource": "a"}, {"resource": "b"}]},
    "adyen": json.loads(SENDERS["adyen"]().body),
    "aws-sns": SNS_MEMBERS,
    "aws-sns-v1": SNS_MEMBERS,
}
FORMS = {"braintree": b"bt_payload=PD94bWw%2B%0A"}


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=5, deadline=None)
@given(
    entropy=st.binary(min_size=32, max_size=32).filter(any),  # zeros alone are no key
    now=st.floats(min_value=1e9, max_value=4e9),
    content=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
)
def test_what_is_signed_verifies(name: str, entropy: bytes, now: float, content: dict[str, str]) -> None:
    row = preset(name)
    call = SENDERS[name]()
    asymmetric = row.type == "signature"
    secret = call.secret if asymmetric or not row.form else generate(row.form, entropy)
    form = "sortedForm" in scheme(name).get("message", [])
    body = b"a=1&b=2" if form else FORMS.get(name) or json.dumps(BODIES.get(name, content)).encode()
    made = sign(
        scheme(name), private_pem(name) if asymmetric else secret, body=body, now=now, url=URL, delivery_id="delivery-1"
    )
    verdict = judge(scheme(name), made.headers, key(secret), body=made.body, query=made.query, now=now)
    assert verdict.accepted, verdict.reason
    if "header" in scheme(name).get("deliveryId", {}):
        assert verdict.delivery_id == "delivery-1"


def test_signing_says_what_is_missing() -> None:
    with pytest.raises(CannotSign, match="URL"):
        sign(preset("square").scheme, b"k", body=b"", now=NOW)
    with pytest.raises(CannotSign, match="delivery id"):
        sign(preset("standard-webhooks").scheme, b"whsec_aGVsbG8=", body=b"", now=NOW)
    with pytest.raises(CannotSign, match="not base64"):
        sign(preset("teams").scheme, b"!canary!", body=b"", now=NOW)
    with pytest.raises(CannotSign, match="no JSON"):
        sign(preset("mailgun").scheme, b"k", body=b"a=1", now=NOW)
    with pytest.raises(CannotSign, match="private key"):
        sign(preset("discord").scheme, b"k", body=b"", now=NOW)


def test_a_signed_call_does_not_print() -> None:
    assert repr(Signed(headers=[("Authorization", "canary")], body=b"canary", query=b"canary")) == "Signed()"


@thorough
@given(raw=st.binary(max_size=200))
def test_readers_of_bodies_never_raise(raw: bytes) -> None:
    document = read_json(raw)
    assert at_path(document, ("a", "*", "0")) is not None
    fields = read_form(raw)
    assert fields is None or sum(map(len, fields.values())) <= raw.count(b"&") + 1


@thorough
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.text(max_size=4),
        lambda x: st.lists(x) | st.dictionaries(st.sampled_from("ab*"), x),
    )
)
def test_any_document_can_be_walked(value: Any) -> None:
    for path in (("a",), ("*", "a"), ("a", "0"), ("*", "*", "b")):
        assert isinstance(at_path(value, path), list)


@pytest.mark.parametrize("encoding", list(Written))
@thorough
@given(raw=st.binary(max_size=70))
def test_encodings_are_inverse_and_unique(encoding: Written, raw: bytes) -> None:
    written = ENCODERS[encoding](raw)
    assert DECODERS[encoding](written) == raw
    again = DECODERS[encoding](raw)
    assert again is None or ENCODERS[encoding](again).rstrip(b"=") == (
        raw.lower() if encoding is Written.HEX else raw.rstrip(b"=")
    )


@pytest.mark.parametrize("notation", list(Notation))
@thorough
@given(raw=st.one_of(st.binary(max_size=40), st.from_regex(rb"[0-9TZ:.+,GMT -]{0,32}", fullmatch=True)))
def test_timestamps_are_read_or_not_but_never_raise(notation: Notation, raw: bytes) -> None:
    moment = READERS[notation](raw)
    assert moment is None or isinstance(moment, float)


@pytest.mark.parametrize("notation", list(Notation))
@thorough
@given(now=st.floats(min_value=0, max_value=9e9))
def test_a_written_timestamp_is_read_back(notation: Notation, now: float) -> None:
    moment = READERS[notation](WRITERS[notation](now).encode())
    assert moment is not None
    assert abs(moment - now) <= 1


DOCUMENTS = st.dictionaries(
    st.sampled_from(
        [
            "type",
            "header",
            "source",
            "prefix",
            "format",
            "algorithm",
            "encoding",
            "key",
            "timestamp",
            "message",
            "deliveryId",
        ]
    ),
    st.recursive(
        st.sampled_from(["hmac", "token", "X-S", "sha256", "hex", "plain", "body", "timestamp", "", "kv", "header"])
        | st.integers()
        | st.none()
        | st.booleans(),
        lambda x: (
            st.lists(x, max_size=3)
            | st.dictionaries(
                st.sampled_from(["header", "json", "kvList", "list", "key", "kv", "index", "literal"]), x, max_size=2
            )
        ),
        max_leaves=6,
    ),
)


@thorough
@given(document=DOCUMENTS)
def test_a_document_is_a_descriptor_or_an_error_that_names_its_member(document: dict[str, Any]) -> None:
    try:
        told = parse(document).type.value
    except InvalidDescriptor as error:
        told = f"{error.error.field}: {error.error.message}"
    assert told == document.get("type") or ": " in told

"""By what a call is recognised when it comes again, and how much that proves."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from hookgate.model.binding import Key
from hookgate.model.replay import USUAL, Protection, ReplayMode, ReplayPolicy
from hookgate.scheme.presets import Presets
from hookgate.scheme.replay import MARK_BYTES, Mark, compile_marker, protection, recognised_for
from hookgate.scheme.request import Request
from hookgate.scheme.verify import compile_verifier
from tests.scheme.kit import key, preset, scheme, wire
from tests.scheme.senders import NOW, SENDERS, URL, Call, hexed

STAMPED: dict[str, Any] = {
    "type": "hmac",
    "source": {"header": "X-S"},
    "format": {"kvList": {"separator": ",", "key": "v1"}},
    "timestamp": {"kv": "t"},
    "message": ["timestamp", {"literal": "."}, "body"],
    "deliveryId": {"header": "X-Id"},
}
#: The order of the P-256 group (FIPS 186-5): of two signatures (r, s) and (r, n - s) both verify.
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def marks(
    document: Mapping[str, Any],
    call: Call,
    *,
    policy: ReplayPolicy = USUAL,
    now: float = NOW,
    keys: tuple[Key, ...] | None = None,
    **headers: str,
) -> tuple[Mark, ...]:
    """The marks of an authentic call; ``headers`` replace some of the call's, ``_`` stands for ``-``."""
    given = {**call.headers, **call.other, **{n.replace("_", "-"): v for n, v in headers.items()}}
    request = Request(method="POST", headers=wire(given.items()), query=call.query, body=call.body)
    held = keys or (key(call.secret),)
    verdict = compile_verifier(document, held, url=URL)(request, now)
    assert verdict.accepted, verdict
    marker = compile_marker(document, held, policy, nonce="a nonce")
    return () if marker is None else marker(request, verdict, now)


def recognised(one: tuple[Mark, ...], other: tuple[Mark, ...]) -> bool:
    """Tell whether the second call would be taken for the first."""
    return bool({(m.kind, m.key) for m in one} & {(m.kind, m.key) for m in other})


def stamped(time: int = NOW, body: bytes = b"{}", *keys: bytes) -> Call:
    """A call of `STAMPED`."""
    message = b"%d." % time + body
    signatures = ",".join(f"v1={hexed(message, each)}" for each in keys or (b"secret",))
    return Call(headers={"X-S": f"t={time},{signatures}"}, secret=b"secret", body=body, other={"X-Id": "1"})


def by(mode: ReplayMode, **more: Any) -> ReplayPolicy:
    return ReplayPolicy(mode=mode, **more)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("standard-webhooks", Protection.SIGNED_TIMESTAMP),
        ("stripe", Protection.SIGNED_TIMESTAMP),
        ("slack", Protection.SIGNED_TIMESTAMP),
        ("linear", Protection.SIGNED_TIMESTAMP),
        ("mailgun", Protection.SIGNED_TIMESTAMP),
        ("typeform", Protection.SIGNED_ID),
        ("pagerduty", Protection.SIGNED_ID),
        ("github", Protection.NONE),
        ("sentry", Protection.NONE),
        ("shopify", Protection.NONE),
        ("gitlab", Protection.NONE),
        ("twilio", Protection.NONE),
    ],
)
def test_only_what_the_signature_covers_protects_unasked(name: str, expected: Protection) -> None:
    assert protection(scheme(name), ReplayMode.AUTO) is expected


def test_a_member_of_another_case_is_another_member() -> None:
    """Else whoever repeats a call could write an id of his own beside the one that is signed."""
    signed = {"type": "hmac", "header": "X-S", "message": [{"json": "Id"}], "bodyAuthenticated": False}
    assert protection({**signed, "deliveryId": {"json": "Id"}}, ReplayMode.AUTO) is Protection.SIGNED_ID
    assert protection({**signed, "deliveryId": {"json": "id"}}, ReplayMode.AUTO) is Protection.NONE


def test_who_asks_gets_what_the_scheme_can_give() -> None:
    github, gitlab = preset("github").scheme, preset("gitlab").scheme
    assert protection(github, ReplayMode.DELIVERY_ID) is Protection.DELIVERY_ID
    assert protection(github, ReplayMode.SIGNATURE) is Protection.SIGNED_CONTENT
    assert protection(gitlab, ReplayMode.DELIVERY_ID) is Protection.DELIVERY_ID
    assert protection(gitlab, ReplayMode.SIGNATURE) is Protection.NONE
    assert protection(preset("telegram").scheme, ReplayMode.OFF) is Protection.NONE
    assert protection(preset("standard-webhooks").scheme, ReplayMode.OFF) is Protection.NONE


def test_of_several_ways_the_weakest_is_told() -> None:
    ways = {"type": "anyOf", "options": [dict(preset("stripe").scheme), dict(preset("gitlab").scheme)]}
    assert protection(ways, ReplayMode.AUTO) is Protection.NONE
    assert protection(ways, ReplayMode.DELIVERY_ID) is Protection.DELIVERY_ID
    assert recognised_for(ways, by(ReplayMode.AUTO)) == 0


def test_a_call_is_recognised_for_the_window_or_for_as_long_as_its_timestamp_is_recent() -> None:
    assert recognised_for(preset("typeform").scheme, by(ReplayMode.AUTO, window=7200)) == 7200
    assert recognised_for(preset("zoom").scheme, by(ReplayMode.AUTO)) == 300
    assert recognised_for(preset("standard-webhooks").scheme, by(ReplayMode.AUTO)) == 86_400
    assert recognised_for(preset("github").scheme, by(ReplayMode.AUTO)) == 0


@pytest.mark.parametrize("name", Presets.builtin().names)
@pytest.mark.parametrize("mode", ReplayMode)
def test_every_sender_s_calls_have_marks_exactly_where_there_is_protection(name: str, mode: ReplayMode) -> None:
    call, document = SENDERS[name](), scheme(name)
    found = marks(document, call, policy=by(mode))
    if protection(document, mode).proves:
        assert found
        assert recognised(found, marks(document, call, policy=by(mode)))
    elif protection(document, mode) is Protection.NONE:
        assert not found


def test_a_sender_that_signs_an_id_is_recognised_by_it_under_a_new_signature() -> None:
    document = {**STAMPED, "deliveryId": {"json": "id"}}
    first, again = stamped(NOW, b'{"id": "7"}'), stamped(NOW + 60, b'{"id": "7", "attempt": 2}')
    other = stamped(NOW, b'{"id": "8"}')
    assert recognised(marks(document, first), marks(document, again, now=NOW + 60))
    assert not recognised(marks(document, first), marks(document, other))


def test_a_call_without_its_signed_id_is_recognised_by_all_that_is_signed() -> None:
    document = {**STAMPED, "deliveryId": {"json": "id"}}
    assert recognised(marks(document, stamped()), marks(document, stamped()))
    assert not recognised(marks(document, stamped()), marks(document, stamped(NOW + 1)))


@pytest.mark.parametrize(
    "spelling",
    [str.upper, lambda text: text.replace("v1=", "v0=junk,v1="), lambda text: text.replace(",", " , ")],
    ids=["upper case", "another item before it", "spaces"],
)
def test_another_spelling_of_a_signature_makes_no_other_call(spelling: Any) -> None:
    call = stamped()
    spelled = spelling(call.headers["X-S"]).replace("T=", "t=").replace("V1=", "v1=")
    assert spelled != call.headers["X-S"]
    assert recognised(marks(STAMPED, call, X_Id="a"), marks(STAMPED, call, X_S=spelled, X_Id="b"))


def test_base64_with_and_without_its_padding_makes_no_other_call() -> None:
    sanity = SENDERS["sanity"]()
    header = next(name for name in sanity.headers if name.lower() == "sanity-webhook-signature")
    sender = preset("sanity").scheme
    bare = sanity.headers[header].rstrip("=")
    padded = bare + "=" * (-len(bare.rpartition("=")[2]) % 4)
    first, second = ({**sanity.headers, header: text} for text in (bare, padded))
    assert recognised(marks(sender, replace(sanity, headers=first)), marks(sender, replace(sanity, headers=second)))


def test_a_signature_that_is_left_out_makes_no_other_call() -> None:
    """While a secret is rotated a sender signs with both; whoever repeats the call may keep either."""
    keys = (key(b"new", "new"), key(b"old", "old"))
    both, new, old = (stamped(NOW, b"{}", *chosen) for chosen in ((b"new", b"old"), (b"new",), (b"old",)))
    found = [marks(STAMPED, call, keys=keys, X_Id=str(n)) for n, call in enumerate((both, new, old))]
    assert recognised(found[0], found[1])
    assert recognised(found[0], found[2])


def test_the_other_ecdsa_signature_over_a_message_makes_no_other_call() -> None:
    call, sender = SENDERS["sendgrid"](), preset("sendgrid").scheme
    header = next(name for name in call.headers if name.lower().endswith("-signature"))
    r, s = decode_dss_signature(base64.b64decode(call.headers[header]))
    other = base64.b64encode(encode_dss_signature(r, P256_ORDER - s)).decode()
    policy = by(ReplayMode.SIGNATURE)
    again = replace(call, headers={**call.headers, header: other})
    assert recognised(marks(sender, call, policy=policy), marks(sender, again, policy=policy))


def test_an_unsigned_id_tells_the_sender_s_own_repetition_under_a_new_signature() -> None:
    assert recognised(marks(STAMPED, stamped(NOW)), marks(STAMPED, stamped(NOW + 5), now=NOW + 5))


def test_an_unsigned_id_under_another_body_is_another_call() -> None:
    """Whoever repeats an older call under a new delivery's id must not keep that delivery from its target."""
    github = preset("github").scheme
    calls = [Call(headers={"X-Hub-Signature-256": "sha256=" + hexed(body)}, body=body) for body in (b"a", b"b")]
    policy = by(ReplayMode.DELIVERY_ID)
    first, second = (marks(github, call, policy=policy, X_GitHub_Delivery="7") for call in calls)
    assert recognised(first, marks(github, calls[0], policy=policy, X_GitHub_Delivery="7"))
    assert not recognised(first, second)
    assert not recognised(first, marks(github, calls[0], policy=policy, X_GitHub_Delivery="8"))


def test_by_all_that_is_signed_another_id_does_not_help() -> None:
    github, policy = preset("github").scheme, by(ReplayMode.SIGNATURE)
    call = SENDERS["github"]()
    one, other = (marks(github, call, policy=policy, X_GitHub_Delivery=each) for each in "12")
    assert recognised(one, other)


def test_a_mark_is_needed_for_as_long_as_its_timestamp_would_be_taken() -> None:
    ahead = marks({**STAMPED, "deliveryId": {"json": "id"}}, stamped(NOW + 200, b'{"id": "7"}'))
    assert ahead[0].needed == pytest.approx(NOW + 200 + 300 + 1)
    assert ahead[0].expires == pytest.approx(NOW + 86_400)
    content = marks({name: value for name, value in STAMPED.items() if name != "deliveryId"}, stamped(NOW - 100))
    assert [mark.expires for mark in content] == [pytest.approx(NOW - 100 + 300 + 1)]


def test_without_a_timestamp_a_mark_is_needed_only_where_that_was_asked_for() -> None:
    typeform, call = preset("typeform").scheme, SENDERS["typeform"]()
    usual, required = (marks(typeform, call, policy=ReplayPolicy(required=asked)) for asked in (False, True))
    assert usual[0].needed <= NOW
    assert required[0].needed == required[0].expires == NOW + 86_400


def test_a_mark_says_nothing_about_the_id_that_it_is_made_of() -> None:
    call = SENDERS["standard-webhooks"]()
    sender = preset("standard-webhooks").scheme
    (mark,) = marks(sender, call)
    assert len(mark.key) == MARK_BYTES
    request = Request(method="POST", headers=wire(call.headers.items()), query=b"", body=call.body)
    held = (key(call.secret),)
    verdict = compile_verifier(sender, held)(request, NOW)
    other = compile_marker(sender, held, ReplayPolicy(), nonce="another nonce")
    assert other is not None
    assert other(request, verdict, NOW)[0].key != mark.key


def test_each_of_several_ways_has_its_own_marks() -> None:
    options = [{**STAMPED, "deliveryId": {"json": "id"}}, {"type": "token", "header": "X-T"}]
    ways = {"type": "anyOf", "options": options}
    keys = (key(b"secret", "s"), replace(key(b"token", "t"), option=1))
    signed = marks(ways, stamped(NOW, b'{"id": "7"}'), keys=keys)
    borne = marks(ways, Call(headers={"X-T": "token"}), keys=keys)
    assert (len(signed), borne) == (1, ())

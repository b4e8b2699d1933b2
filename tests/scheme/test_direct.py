"""The short way for the commonest shape of scheme: whatever comes, it says what the interpreter says."""

from __future__ import annotations

import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookgate.scheme import verify
from hookgate.scheme.direct import is_direct
from hookgate.scheme.grammar import parse
from hookgate.scheme.keyed import compile_mac
from hookgate.scheme.presets import Presets
from hookgate.scheme.request import Request
from hookgate.scheme.verify import Verifier, compile_verifier
from tests.scheme.kit import key, preset, wire
from tests.scheme.senders import NOW, SENDERS

DIRECT = [name for name in Presets.builtin().names if is_direct(parse(preset(name).scheme))]
KEYS = [
    key(b"an older one", "k0", expires=NOW),
    key(SENDERS["github"]().secret, "k1", expires=NOW + 1),
    key(b"other", "k2"),
]


def by_the_interpreter(name: str) -> Verifier:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verify, "is_direct", lambda _descriptor: False)
        return compile_verifier(preset(name).scheme, KEYS)


WAYS = {name: (compile_verifier(preset(name).scheme, KEYS), by_the_interpreter(name)) for name in DIRECT}


def test_these_senders_have_that_shape() -> None:
    assert {"github", "bitbucket", "gitea", "sentry", "shopify"} <= set(DIRECT)
    assert not {"slack", "stripe", "gitlab", "pagerduty", "square", "vercel"} & set(DIRECT)


@pytest.mark.parametrize("name", DIRECT)
@settings(max_examples=25, deadline=None)
@given(data=st.data(), age=st.sampled_from([-1, 0, 1, 2]))
def test_both_ways_answer_the_same(name: str, data: st.DataObject, age: int) -> None:
    """Headers of the real call left out, doubled, spoiled or followed by junk; keys that expire meanwhile."""
    call = SENDERS[name]()
    real = wire(call.headers.items())
    scheme = preset(name).scheme
    notes = [scheme[note]["header"].lower().encode() for note in ("deliveryId", "eventType") if note in scheme]
    junk = st.tuples(st.sampled_from([*(n for n, _ in real), *notes, b"x-other"]), st.binary(max_size=12))
    headers = data.draw(st.lists(st.one_of(st.sampled_from(real), junk), max_size=5))
    body = data.draw(st.sampled_from([call.body, b"", b"other"]))
    request = Request(method="POST", headers=headers, body=body)
    short, long = (way(request, NOW + age) for way in WAYS[name])
    assert (short, short.where, short.signed) == (long, long.where, long.signed)


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
@given(secret=st.one_of(st.binary(max_size=40), st.binary(min_size=60, max_size=140)), message=st.binary(max_size=300))
def test_a_mac_is_that_of_the_standard_library(algorithm: str, secret: bytes, message: bytes) -> None:
    mac = compile_mac(secret, algorithm)
    assert mac(message) == hmac.digest(secret, message, algorithm)
    assert mac(b"") == hmac.digest(secret, b"", algorithm)
    assert mac(message) == hmac.digest(secret, message, algorithm)

"""What does a scheme as data cost? Compare GitHub's verifier with functions written by hand.

One of them only compares the signature, in constant time. The other does all that the verifier does: it refuses
repeated headers, minds the keys' expiry, reads the delivery's id and type and returns a verdict.

Run it with ``python -m tests.bench.verify_cost`` in the checkout; it prints microseconds for each and their ratio. It
measures, it asserts nothing: figures belong to the machine that made them.
"""

from __future__ import annotations

import hashlib
import hmac
import timeit
from collections.abc import Callable
from functools import partial

from hookgate.model.binding import Key
from hookgate.model.sensitive import Sensitive
from hookgate.scheme.presets import Presets
from hookgate.scheme.request import Reason, Request, Verdict
from hookgate.scheme.verify import compile_verifier

SECRET = b"0123456789abcdef" * 4
ROUNDS = 1_000


def request(size: int) -> Request:
    """A delivery as GitHub sends it: ten headers, a body of ``size`` bytes."""
    body = b"x" * size
    signature = b"sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest().encode()
    headers = [
        (b"host", b"hooks.example.com"),
        (b"user-agent", b"GitHub-Hookshot/0000000"),
        (b"content-length", b"%d" % size),
        (b"accept", b"*/*"),
        (b"content-type", b"application/json"),
        (b"x-github-delivery", b"72d3162e-cc78-11e3-81ab-4c9367dc0958"),
        (b"x-github-event", b"push"),
        (b"x-github-hook-id", b"292430182"),
        (b"x-hub-signature-256", signature),
        (b"accept-encoding", b"gzip"),
    ]
    return Request(method="POST", headers=headers, body=body)


def by_hand(call: Request) -> bool:
    """What a careful author writes for this one sender."""
    given = None
    for name, value in call.headers:
        if name == b"x-hub-signature-256":
            given = value
    expected = b"sha256=" + hmac.digest(SECRET, call.body, "sha256").hex().encode()
    return given is not None and hmac.compare_digest(expected, given)


KEYS = [Key(id="k1", value=Sensitive(SECRET), created=0)]


def same_duties(call: Request, now: float) -> Verdict:
    """What the same author writes to give the same answers."""
    found: dict[bytes, bytes] = {}
    for name, value in call.headers:
        if name in (b"x-hub-signature-256", b"x-github-delivery", b"x-github-event"):
            if name in found:
                return Verdict(accepted=False, reason=Reason.DUPLICATE_CREDENTIAL)
            found[name] = value
    given = found.get(b"x-hub-signature-256", b"")
    for key in KEYS:
        expected = b"sha256=" + hmac.digest(key.value.reveal(), call.body, "sha256").hex().encode()
        if key.valid_at(now) and hmac.compare_digest(expected, given):
            delivery, event = (found.get(name, b"").decode() for name in (b"x-github-delivery", b"x-github-event"))
            return Verdict(accepted=True, key_id=key.id, delivery_id=delivery, event_type=event)
    return Verdict(accepted=False, reason=Reason.WRONG_CREDENTIAL)


def costs(*functions: Callable[[], object]) -> list[float]:
    """Return the best of sixty runs of each in microseconds for each call; in turn, so that noise meets all of them."""
    runs = [[timeit.timeit(function, number=ROUNDS) for function in functions] for _ in range(60)]
    return [min(each) / ROUNDS * 1e6 for each in zip(*runs, strict=True)]


def main() -> None:
    """Print one line for each body size."""
    preset = Presets.builtin().get("github")
    assert preset is not None
    verify = compile_verifier(preset.scheme, KEYS)
    for size in (844, 8_192, 65_536):
        call = request(size)
        assert by_hand(call)
        assert verify(call, 0.0) == same_duties(call, 0.0)
        bare, full, ours = costs(partial(by_hand, call), partial(same_duties, call, 0.0), partial(verify, call, 0.0))
        print(
            f"{size:>6} bytes: by hand {bare:6.2f} us, same duties {full:6.2f} us, ours {ours:6.2f} us, "
            f"ratio {ours / bare:.2f} and {ours / full:.2f}"
        )


if __name__ == "__main__":
    main()

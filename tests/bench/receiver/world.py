"""What all contenders serve: paths, keys, bindings, one secret. Derived from numbers, so that every process agrees."""

from __future__ import annotations

import base64
import hashlib

from hookgate.model.binding import Binding, Key, encode
from hookgate.model.replay import USUAL, ReplayMode, ReplayPolicy
from hookgate.model.sensitive import Sensitive
from hookgate.scheme.presets import Presets

SECRET = "0123456789abcdef" * 4
HEADER = "X-Hub-Signature-256"
MAX_BODY = 2 << 20
#: The endpoint that is called, its twin whose target speaks TLS, the one that recognises repeated calls, and the one
#: whose target is told nothing of who was authenticated, as peers tell nobody.
CALLED, CALLED_TLS, CALLED_REPLAY, CALLED_UNSIGNED = 5, 6, 7, 8
_NAMESPACES = 100
#: What calls are signed with for their target, as the operator makes it.
_FORWARD = Key(
    id="forward", value=Sensitive(b"whsec_" + base64.b64encode(hashlib.sha256(b"forward").digest())), created=0
)


def segment(number: int) -> str:
    """Return the path segment of an endpoint."""
    return base64.b32encode(hashlib.sha256(b"%d" % number).digest()[:20]).decode().lower()


def path(number: int) -> str:
    """Return the public path of an endpoint."""
    return f"/h/{segment(number)}"


def bindings(count: int, target: str, secure_target: str) -> dict[str, bytes]:
    """Return encoded bindings by uid, all for GitHub's scheme."""
    preset = Presets.builtin().get("github")
    assert preset is not None
    return {
        f"uid-{number}": encode(
            Binding(
                uid=f"uid-{number}",
                namespace=f"team-{number % _NAMESPACES}",
                name=f"hook-{number}",
                active=True,
                auth=preset.scheme,
                keys=(Key(id=f"key-{number}", value=Sensitive(SECRET.encode()), created=0),),
                nonce=f"{number:016x}",
                target=secure_target if number == CALLED_TLS else target,
                timeout_ms=10_000,
                max_body_bytes=MAX_BODY,
                segment=segment(number),
                url=f"https://hooks.example.com{path(number)}",
                forward_keys=() if number == CALLED_UNSIGNED else (_FORWARD,),
                replay=ReplayPolicy(mode=ReplayMode.DELIVERY_ID) if number == CALLED_REPLAY else USUAL,
            )
        )
        for number in range(count)
    }

"""A sender that nobody knows: its scheme as a descriptor, and its side written by hand. No code of ours knows it.

It signs the time, the method, the URL and the body, a line each, with HMAC-SHA512, and writes one signature for each of
its current secrets, in base64, behind `a1=` and joined with commas. Signatures of a later version stand among them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

LINE: dict[str, Any] = {"literal": "\n"}
#: As a user or the platform writes it.
SCHEME: dict[str, Any] = {
    "header": "Acme-Signatures",
    "prefix": "a1=",
    "format": {"list": {"separator": ","}},
    "algorithm": "sha512",
    "encoding": "base64",
    "timestamp": {"header": "Acme-Sent-At", "format": "unix-ms", "tolerance": 120},
    "message": [
        {"part": "timestamp"},
        LINE,
        {"part": "method"},
        LINE,
        {"part": "url"},
        LINE,
        {"part": "body"},
    ],
    "deliveryId": {"header": "Acme-Delivery"},
    "eventType": {"json": "event"},
}
OLD, NEW = b"acme-secret-of-last-year", b"acme-secret-of-this-year"
BODY = b'{"event": "anvil.dropped"}'


def signed(url: str, at: float, *secrets: bytes, body: bytes = BODY, method: str = "POST") -> dict[str, str]:
    """The headers of Acme's call at that moment (unix seconds) while it has these secrets."""
    time = str(int(at * 1000))
    message = b"\n".join((time.encode(), method.encode(), url.encode(), body))
    macs = [base64.b64encode(hmac.new(secret, message, hashlib.sha512).digest()).decode() for secret in secrets]
    written = ", ".join([*(f"a1={mac}" for mac in macs), "a2=laterversion"])
    return {"Acme-Sent-At": time, "Acme-Signatures": written, "Acme-Delivery": "d-1"}

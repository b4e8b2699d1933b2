"""Webhook calls as senders make them: signed by their documentation's rules, not by the project's own code."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import time
from collections.abc import Mapping
from dataclasses import dataclass

_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What the sender got; names of ``headers`` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def post(port: int, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> Response:
    """POST to a receiver on this machine. Raises OSError where nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
    try:
        connection.request("POST", path, body, dict(headers or {}))
        answer = connection.getresponse()
        names = {name.lower(): value for name, value in answer.getheaders()}
        return Response(status=answer.status, headers=names, body=answer.read())
    finally:
        connection.close()


def github(secret: bytes, body: bytes) -> dict[str, str]:
    """The headers of a GitHub delivery that tell who it is from."""
    return {"X-Hub-Signature-256": "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()}


def one_bit_flipped(body: bytes) -> bytes:
    """The body with its very last bit the other way."""
    return body[:-1] + bytes([body[-1] ^ 1])


def first_with(status: int, port: int, path: str, body: bytes, headers: Mapping[str, str], *, seconds: float) -> float:
    """Call again and again; the time (monotonic, in seconds) at which the first answer with ``status`` was complete.

    Raises AssertionError after ``seconds``.
    """
    deadline = time.monotonic() + seconds
    while True:
        answered = post(port, path, body, headers).status
        now = time.monotonic()
        if answered == status:
            return now
        assert now < deadline, f"no {status} within {seconds:g} s; the last answer was {answered}"

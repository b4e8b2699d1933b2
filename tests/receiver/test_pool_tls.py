"""Deliveries to https targets: nothing is sent before certificate and name are verified."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hookgate.receiver.respond import Delivery, Undelivered
from tests.kube.pki import Authority
from tests.receiver.scripted import (
    OK,
    TAKEN,
    WAIT,
    Run,
    Scripted,
    pooling,
    post,
    serve_all,
)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """An authority that this system does not know."""
    return Authority(tmp_path)


def over_tls(run: Run, authority: Authority, *, ca: str | None, host: str, calls: int = 1) -> list[Any]:
    """Deliver to an https target that is known by the name ``server`` and the address 127.0.0.1."""

    async def main() -> list[Any]:
        async with Scripted(serve_all).running(authority.server_context()) as target, pooling() as pool:
            where = replace(target.target, host=host, ca=ca)
            found = [await post(pool, where) for _ in range(calls)]
            return [*found, len(target.requests)]

    answers: list[Any] = run(main)
    return answers


def test_an_https_target_is_verified_by_its_own_ca_and_its_connection_is_kept(run: Run, authority: Authority) -> None:
    ca = authority.ca_file.read_text()
    assert over_tls(run, authority, ca=ca, host="127.0.0.1", calls=2) == [TAKEN, TAKEN, 2]


def test_a_connection_that_carried_a_large_body_is_kept_too(run: Run, authority: Authority) -> None:
    async def main() -> tuple[list[Delivery], int]:
        async with Scripted(serve_all).running(authority.server_context()) as target, pooling() as pool:
            where = replace(target.target, ca=authority.ca_file.read_text())
            return [await post(pool, where, b"x" * 5_000_000) for _ in range(3)], target.connections

    assert run(main) == ([TAKEN] * 3, 1)


def test_a_certificate_of_an_unknown_ca_refuses_before_anything_is_sent(run: Run, authority: Authority) -> None:
    assert over_tls(run, authority, ca=None, host="127.0.0.1") == [Undelivered.UNTRUSTED, 0]


def test_a_certificate_of_another_ca_refuses(run: Run, authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other").ca_file.read_text()
    assert over_tls(run, authority, ca=other, host="127.0.0.1") == [Undelivered.UNTRUSTED, 0]


def test_a_certificate_for_another_name_refuses(run: Run, authority: Authority) -> None:
    ca = authority.ca_file.read_text()
    assert over_tls(run, authority, ca=ca, host="localhost") == [Undelivered.UNTRUSTED, 0]


def test_a_ca_that_cannot_be_read_refuses(run: Run, authority: Authority) -> None:
    assert over_tls(run, authority, ca="nonsense", host="127.0.0.1") == [Undelivered.UNTRUSTED, 0]


def test_targets_with_different_cas_share_no_connection(run: Run, authority: Authority) -> None:
    async def main() -> list[Delivery]:
        async with Scripted(serve_all).running(authority.server_context()) as target, pooling() as pool:
            trusted = replace(target.target, ca=authority.ca_file.read_text())
            return [await post(pool, trusted), await post(pool, target.target)]

    assert run(main) == [TAKEN, Undelivered.UNTRUSTED]


def test_a_target_without_tls_is_no_https_target(run: Run) -> None:
    async def main() -> Delivery:
        async with Scripted(lambda peer: peer.say(OK)).running() as target, pooling() as pool:
            return await post(pool, replace(target.target, scheme="https"))

    assert run(main) is Undelivered.UNTRUSTED


def test_a_handshake_that_does_not_end_is_a_timeout(run: Run) -> None:
    async def main() -> Delivery:
        async with Scripted(lambda _: asyncio.sleep(WAIT)).running() as target, pooling() as pool:
            return await post(pool, replace(target.target, scheme="https", timeout=0.1))

    assert run(main) is Undelivered.TIMEOUT

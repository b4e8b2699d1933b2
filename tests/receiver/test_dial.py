"""Where targets may be: one list for every connection, held against the very addresses that are connected to."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from typing import Any

import pytest

from hookgate.receiver.dial import Judge
from hookgate.receiver.forward import parse_target
from hookgate.receiver.names import Names
from hookgate.receiver.respond import Delivery, Undelivered
from hookgate.receiver.settings import Edge
from tests.receiver.rig import House, settings
from tests.receiver.scripted import TAKEN, Run, Scripted, pooling, post, serve_all
from tests.receiver.test_calls import refusals

API_SERVER = "10.96.0.1"


@pytest.mark.parametrize(
    "spelling", [API_SERVER, "::ffff:10.96.0.1", "64:ff9b::a60:1", "2002:a60:1::1", "::a60:1", "10.96.0.1%eth0"]
)
def test_what_was_learnt_is_denied_in_every_spelling(spelling: str) -> None:
    judge = Judge(loopback=False)
    assert judge.allows(spelling)
    judge.deny([API_SERVER, "not an address", "2001:db8::5"])
    assert (judge.allows(spelling), judge.allows("10.96.0.2"), judge.allows("2001:db8::5")) == (False, True, False)


def test_the_platform_denies_networks_of_its_own() -> None:
    judge = Judge(loopback=True, denied=["10.0.0.0/24", "2001:db8::/32"])
    denied = ["10.0.0.7", "::ffff:10.0.0.7", "2001:db8::1"]
    assert [judge.allows(each) for each in [*denied, "10.0.1.7", "127.0.0.1"]] == [False] * 3 + [True, True]


def test_it_adds_to_what_no_target_may_have() -> None:
    judge = Judge(loopback=False)
    assert not any(map(judge.allows, ["169.254.169.254", "127.0.0.1", "::1", "fe80::1", "0.0.0.0", ""]))


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Have names resolve to these answers, one after the other, the last one for ever; return the names asked for."""
    asked: list[str] = []

    async def resolve(self: Names, host: str) -> Any:
        asked.append(host)
        addresses = answers[min(len(asked), len(answers)) - 1]
        families = {False: socket.AF_INET, True: socket.AF_INET6}
        kind, tcp = socket.SOCK_STREAM, socket.IPPROTO_TCP
        return [(families[":" in each], kind, tcp, "", (each, 0)) for each in addresses]

    monkeypatch.setattr(Names, "_resolve", resolve)
    return asked


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", API_SERVER]
)
def test_a_name_that_leads_to_a_denied_address_is_not_connected_to(
    run: Run, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    resolving(monkeypatch, [address])
    judge = Judge(loopback=True)
    judge.deny([API_SERVER])

    async def main() -> Delivery:
        async with pooling(judge=judge) as pool:
            return await post(pool, parse_target("http://inside.example.com/", 5000))

    assert run(main) is Undelivered.DENIED


def test_of_several_addresses_only_those_that_are_allowed_are_tried(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, ["169.254.169.254", "127.0.0.1"])

    async def main() -> Delivery:
        async with Scripted(serve_all).running() as target, pooling() as pool:
            return await post(pool, replace(target.target, host="both.example.com"))

    assert run(main) == TAKEN


def test_a_name_is_not_resolved_again_between_judging_and_connecting(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever answers another address the second time has nobody who asks."""
    asked = resolving(monkeypatch, ["127.0.0.1"], ["169.254.169.254"])

    async def main() -> list[Delivery]:
        async with Scripted(serve_all).running() as target, pooling() as pool:
            rebound = replace(target.target, host="rebinding.example.com")
            return list(await asyncio.gather(*(post(pool, rebound) for _ in range(3))))

    assert (run(main), asked) == ([TAKEN] * 3, ["rebinding.example.com"])


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "017700000001", "127.1", "localhost", "[::1]", "0"])
def test_odd_spellings_of_this_host_lead_nowhere_in_a_pod(run: Run, host: str) -> None:
    async def main() -> tuple[Delivery, int]:
        async with Scripted(serve_all).running() as target, pooling(judge=Judge(loopback=False)) as pool:
            return await post(pool, parse_target(f"http://{host}:{target.target.port}/", 5000)), target.connections

    assert run(main) == (Undelivered.DENIED, 0)


def own_address() -> str:
    """Return the address by which this machine reaches others. Nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        try:
            opened.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        found: str = opened.getsockname()[0]
        return found


@pytest.mark.parametrize(("loopback", "expected"), [(False, (Undelivered.DENIED, [])), (True, (TAKEN, [b"{}"]))])
def test_an_address_of_this_host_is_no_target_in_a_pod_though_somebody_listens_there(
    run: Run, loopback: bool, expected: tuple[Delivery, list[bytes]]
) -> None:
    """As a receiver's own private port does: it trusts whoever reaches it."""
    own = own_address()

    async def main() -> tuple[Delivery, list[bytes]]:
        async with (
            Scripted(serve_all).running(host=own) as target,
            pooling(judge=Judge(loopback=loopback)) as pool,
        ):
            delivery = await post(pool, target.target)
            return delivery, [each.rpartition(b"\r\n")[2] for each in target.requests]

    assert run(main) == expected


@pytest.mark.parametrize(("own", "peer"), [("10.0.0.7", "10.0.0.7"), ("::ffff:10.0.0.7", "10.0.0.7")])
def test_the_two_ends_of_a_connection_are_compared_in_every_spelling(own: str, peer: str) -> None:
    assert not Judge(loopback=False).allows_between(own, peer)
    assert not Judge(loopback=False).allows_between(peer, own)
    assert Judge(loopback=False).allows_between(own, "10.0.0.8")


def test_the_owner_is_told_that_the_address_is_denied_and_the_sender_is_not(edge: Edge) -> None:
    with House(settings(edge=edge, denied_targets=("127.0.0.0/8",))).running() as house:
        endpoint = house.endpoint()
        answer = endpoint.call()
        assert (answer.status, answer.body) == (502, b'{"error":"bad gateway"}\n')
        assert [(each["step"], each["reason"]) for each in refusals(endpoint)] == [("target", "target-address-denied")]
        assert endpoint.seen == []


def test_an_address_that_is_learnt_while_a_receiver_runs_is_denied_from_then_on(edge: Edge) -> None:
    with House(settings(edge=edge)).running() as house:
        endpoint = house.endpoint()
        house.inside(lambda: house.receiver.judge.deny(["127.0.0.1"]))
        assert endpoint.call().status == 502


def test_a_kept_connection_to_an_address_that_is_learnt_meanwhile_is_not_used_again(edge: Edge) -> None:
    with House(settings(edge=edge)).running() as house:
        endpoint = house.endpoint()
        assert endpoint.call().status == 202
        house.inside(lambda: house.receiver.judge.deny(["127.0.0.1"]))
        assert endpoint.call().status == 502


def test_a_redirect_is_not_followed(house: House) -> None:
    elsewhere = house.endpoint()
    location = elsewhere.binding.target.encode()
    moved = house.endpoint(b"HTTP/1.1 307 Moved\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % location)
    answer = moved.call()
    assert (answer.status, answer.header("location"), elsewhere.seen) == (502, None, [])

"""Names whose servers do not answer: nobody else's targets wait for them."""

from __future__ import annotations

import asyncio
import gc
import socket
from typing import Any

import pytest

from hookgate.receiver import names
from hookgate.receiver.names import Names
from tests.receiver.scripted import Run, until


class Servers:
    """What answers for names: at once, but for those of ``held`` hosts, until they are let."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.held: set[str] = set()
        self.asked: list[str] = []
        self.failing = False
        self._go = asyncio.Event()
        monkeypatch.setattr(Names, "_resolve", lambda _, host: self._resolve(host))

    def let(self) -> None:
        """Answer for all that wait."""
        self.held.clear()
        self._go.set()

    async def _resolve(self, host: str) -> Any:
        self.asked.append(host)
        if host in self.held:
            await self._go.wait()
        if self.failing:
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return [(socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("2001:db8::1", 0, 7, 8))]


HOSTS = [f"{n}.slow.example.com" for n in range(6)]


def test_names_that_were_slow_have_few_places_and_names_that_were_not_wait_for_none_of_them(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        servers, found = Servers(monkeypatch), Names()
        monkeypatch.setattr(names, "_REMEMBER_SECONDS", 0.0)
        monkeypatch.setattr(names, "_SLOW_SECONDS", -1.0)
        await asyncio.gather(*(found.addresses(host, 80) for host in HOSTS))
        monkeypatch.setattr(names, "_SLOW_SECONDS", 60.0)
        servers.asked.clear()
        servers.held = set(HOSTS)
        waiting = [asyncio.create_task(found.addresses(host, port)) for host in HOSTS for port in (80, 443)]
        await until(lambda: len(servers.asked) > 1)
        await found.addresses("quick.example.com", 80)
        assert servers.asked == [*HOSTS[:2], "quick.example.com"]
        servers.let()
        await asyncio.gather(*waiting)
        assert sorted(servers.asked) == sorted([*HOSTS, "quick.example.com"])

        servers.asked.clear()
        servers._go.clear()
        servers.held = set(HOSTS)
        waiting = [asyncio.create_task(found.addresses(host, 80)) for host in HOSTS]
        await until(lambda: servers.asked == HOSTS)  # they were quick the last time: nobody shares a place any more
        servers.let()
        await asyncio.gather(*waiting)

    run(main)


def test_everybody_gets_the_addresses_with_the_port_that_they_asked_for(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        servers, found = Servers(monkeypatch), Names()
        asking = (found.addresses("a.example.com", port) for port in (80, 443))
        assert [each[0][4] for each in await asyncio.gather(*asking)] == [
            ("2001:db8::1", 80, 7, 8),
            ("2001:db8::1", 443, 7, 8),
        ]
        assert servers.asked == ["a.example.com"]

    run(main)


def test_a_look_up_that_fails_when_nobody_waits_any_more_says_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> list[Any]:
        told: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        servers, found = Servers(monkeypatch), Names()
        servers.held, servers.failing = {HOSTS[0]}, True
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await found.addresses(HOSTS[0], 80)
        servers.let()
        await until(lambda: not found._asking)
        await asyncio.sleep(0)
        gc.collect()
        return told

    assert run(main) == []

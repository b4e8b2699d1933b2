"""What a receiver does where a shared store should be and something else answers, or nobody."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from hookgate.model.store import StoreAddress
from hookgate.receiver.process import Receiver
from hookgate.receiver.settings import ReceiverSettings
from hookgate.receiver.source import FolderSource
from tests.receiver.rig import settings
from tests.receiver.scripted import WAIT, Run, until


async def _answer(reply: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while await reader.read(1000):
            writer.write(reply)
    writer.close()


@contextlib.asynccontextmanager
async def answering(reply: bytes) -> AsyncIterator[ReceiverSettings]:
    """Answer every question with ``reply``; yield the settings of a receiver that takes this for its store."""
    server = await asyncio.start_server(partial(_answer, reply), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield settings(replay_store=StoreAddress(host="127.0.0.1", port=port, tls=False, database=0))


ODD = {
    "nil": b"$-1\r\n",
    "a number": b":1\r\n",
    "a word": b"+OK\r\n",
    "numbers": b"*4\r\n:1\r\n:2\r\n:3\r\n:4\r\n",
    "a number for a version": b"*2\r\n$7\r\nversion\r\n:7\r\n",
    "lists": b"*2\r\n*0\r\n*0\r\n",
    "an error": b"-ERR unknown command\r\n",
    "another protocol": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "more answers than questions": b"+OK\r\n+OK\r\n+OK\r\n",
}


@pytest.mark.parametrize("reply", ODD.values(), ids=ODD.keys())
def test_a_store_that_answers_oddly_counts_as_away_and_is_tried_again(
    run: Run, tmp_path: Path, reply: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> tuple[bool, bool]:
        async with answering(reply) as chosen:
            receiver, started = Receiver(chosen, FolderSource(tmp_path)), asyncio.Event()
            running = asyncio.create_task(receiver.run(lambda _: started.set()))
            await started.wait()
            assert receiver.store is not None
            receiver.store.tried.clear()
            await receiver.store.tried.wait()  # once more
            up = receiver.store.up
            receiver.stop()
            receiver.stop()
            await running
            return up, started.is_set()

    with caplog.at_level(logging.ERROR):
        assert run(main) == (False, True)
    assert "cannot be used" in caplog.text


def test_a_receiver_that_still_waits_for_its_store_ends_when_it_is_told_to(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hookgate.receiver.redis._CONNECT_SECONDS", 100 * WAIT)

    async def main() -> list[Receiver]:
        started: list[Receiver] = []
        async with answering(b"") as chosen:
            receiver = Receiver(chosen, FolderSource(tmp_path))
            running = asyncio.create_task(receiver.run(started.append))
            await until(lambda: receiver.table.loaded)
            receiver.stop()
            await running
            return started

    assert run(main) == []

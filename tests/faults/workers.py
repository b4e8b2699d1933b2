"""Plays pieces in processes of their own, so many at a time, and hands on what they tell. It may not know what they do.

Whatever becomes of a process, its piece comes to an end that is told: one that ends too soon is a failure.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from tests.faults.cases import BROKEN, Case
from tests.faults.pieces import Piece

#: Plays a piece in a folder. A function of a module: another process finds it by its name.
Play = Callable[[Piece, Path], Iterator[Case]]

_SPAWN = multiprocessing.get_context("spawn")
#: After so many seconds without news nothing is handed on, so that somebody may tell what goes on.
_SILENCE_S = 60.0
#: How long a process may take to end all that it started, once it is asked to.
_LAST_S = 30.0


@dataclass(frozen=True, slots=True)
class Told:
    """A case of a piece and the seconds that it took; without a case the piece is over, after so many seconds."""

    piece: Piece
    case: Case | None
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Worker:
    piece: Piece
    slot: int
    process: BaseProcess
    news: Connection
    began: float

    def hear(self) -> Iterator[Told]:
        """What has come; what ends a piece comes last. To be called when there is something."""
        try:
            case, seconds = self.news.recv()
        except EOFError:
            self.process.join()
            took = time.monotonic() - self.began
            if self.process.exitcode != 0:
                yield Told(self.piece, broken(self.piece, f"its process ended with {self.process.exitcode}"), 0.0)
            yield Told(self.piece, None, took)
        else:
            yield Told(self.piece, case, seconds)

    def end(self) -> None:
        """Let it end all that it started, and itself."""
        self.process.terminate()
        self.process.join(_LAST_S)
        self.process.kill()
        self.process.join()


def spread(pieces: Sequence[Piece], play: Play, folder: Path, workers: int) -> Generator[Told | None, None, None]:
    """Play all pieces, each in a folder of its own in ``folder``. None: for a while nobody told anything.

    Closing the generator ends them all.
    """
    left, busy = list(pieces), list[_Worker]()
    try:
        while left or busy:
            while left and len(busy) < workers:
                slot = min({*range(workers)} - {worker.slot for worker in busy})
                busy.append(_begin(left.pop(0), play, folder, slot, workers))
            ready = wait([worker.news for worker in busy], _SILENCE_S)
            if not ready:
                yield None
            for worker in [each for each in busy if each.news in ready]:
                for told in worker.hear():
                    if told.case is None:
                        busy.remove(worker)
                    yield told
    finally:
        for worker in busy:
            worker.process.terminate()
        for worker in busy:
            worker.end()


def broken(piece: Piece, why: str) -> Case:
    """The case that tells of a piece that broke off."""
    return Case(piece.suite.properties[0], BROKEN, f"{piece.name}: {why}")


def _begin(piece: Piece, play: Play, folder: Path, slot: int, workers: int) -> _Worker:
    news, tell = _SPAWN.Pipe(duplex=False)
    asked = (piece, play, folder / piece.name, tell, (slot, workers))
    process = _SPAWN.Process(target=_work, args=asked, name=piece.name, daemon=True)
    process.start()
    tell.close()  # so that the other end is the only one, and its end is noticed
    return _Worker(piece=piece, slot=slot, process=process, news=news, began=time.monotonic())


def _work(piece: Piece, play: Play, folder: Path, tell: Connection, place: tuple[int, int]) -> None:
    """All that the other process does."""
    os.setsid()  # Ctrl-C is for the one that started us, who then asks us to end
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    # As in a parallel run of pytest each has a share of the ports of its own (see tests/cluster/processes.py).
    os.environ.update(PYTEST_XDIST_WORKER=f"gw{place[0]}", PYTEST_XDIST_WORKER_COUNT=str(place[1]))
    began = time.monotonic()
    try:
        for case in play(piece, folder):
            now = time.monotonic()
            tell.send((case, now - began))
            began = now
    except Exception as error:
        traceback.print_exc()
        tell.send((broken(piece, f"{type(error).__name__}: {error}"), time.monotonic() - began))

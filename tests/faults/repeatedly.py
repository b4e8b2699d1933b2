"""Something that goes on beside a suite: done again and again in a thread of its own. It may not know what is done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def repeatedly(work: Callable[[], object], *, every: float) -> Iterator[None]:
    """Do ``work`` as long as the block lasts, with a pause of ``every`` seconds before each time."""
    done = threading.Event()

    def go_on() -> None:
        while not done.wait(every):
            work()

    thread = threading.Thread(target=go_on, name="repeatedly", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()

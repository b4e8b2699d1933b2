"""What the C library does with memory that large bodies have left: keep some of it for the next.

As it comes, it gives freed memory back to the system at every occasion, and to hold the next body the system clears it
anew, page by page: twice the CPU for calls of 1 MB. It may not know what the memory is for.
"""

from __future__ import annotations

import contextlib
import ctypes
from typing import Final

# Parameters of glibc's mallopt(3); another C library has no such function, or takes no such number.
_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
#: What may be kept at the end of the heap, in bytes, and from which size on a piece is never part of it.
_KEPT: Final = 16 * 1024 * 1024
_APART: Final = 4 * 1024 * 1024


def keep_freed_memory() -> None:
    """Set this for the whole process; where it cannot be set, nothing changes."""
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, _APART)
        mallopt(_TRIM_THRESHOLD, _KEPT)

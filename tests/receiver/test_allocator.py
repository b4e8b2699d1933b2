"""What large bodies leave is kept for the next."""

from __future__ import annotations

import subprocess
import sys

_BODIES = """
import resource
from hookgate.receiver import allocator
if {kept}:
    allocator.keep_freed_memory()
def bodies(count):
    for _ in range(count):
        held = [b"".join([bytes([n]) * 65_536 for n in range(16)]) for _ in range(4)]
bodies(20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
bodies(20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(*, kept: bool) -> int:
    """Return how many pages the system had to clear for bodies like those before."""
    done = subprocess.run([sys.executable, "-c", _BODIES.format(kept=kept)], check=True, capture_output=True, text=True)
    return int(done.stdout)


def test_memory_of_large_bodies_is_not_asked_of_the_system_again_and_again() -> None:
    assert faults(kept=True) < faults(kept=False) / 4

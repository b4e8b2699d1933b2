"""How a command ends: the exit codes, and the one exception that carries a code and a line for people."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes, the same for every command."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    NOT_CHANGED = 3
    UNREACHABLE = 4


#: For the end of every --help.
EPILOG = """\
exit codes:
  0  done
  1  refused, or not ready
  2  wrong usage or input
  3  not changed: Git, a file or a tool owns it; what to change there is printed
  4  unreachable: the cluster, or the endpoint's URL
"""


class Stop(Exception):  # noqa: N818 -- an end, not always an error
    """End the command with ``code``; the text, if any, goes to standard error as it is."""

    def __init__(self, code: Exit, text: str = "") -> None:
        super().__init__(text)
        self.code = code

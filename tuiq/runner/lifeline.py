"""A runner that lives only as long as whoever started it: ``--run --while-fd N``.

N is the reading end of a pipe.  Its end of file says that nobody holds the other end
any more, however they died, and drains the runner.  ``LET_GO`` in it lets the runner
live on.  The UI starts its runner so; nobody else needs the option.
"""

from __future__ import annotations

import asyncio
import os
import stat
from typing import TYPE_CHECKING

from tuiq.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

LET_GO = b"L"


def check_lifeline(fd: int) -> None:
    """Raise UsageError unless *fd* is something that ends."""
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        mode = 0
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        raise UsageError(f"--while-fd {fd}: no pipe is open there")
    os.set_inheritable(fd, False)  # a worker that held it could not outlive anybody
    os.set_blocking(fd, False)


def hold_lifeline(fd: int, drain: Callable[[], None]) -> None:
    """Call *drain* once the other end of *fd* is gone; in a running event loop."""
    loop = asyncio.get_running_loop()

    def readable() -> None:
        try:
            said = os.read(fd, 64)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        loop.remove_reader(fd)
        if LET_GO not in said:
            drain()

    loop.add_reader(fd, readable)

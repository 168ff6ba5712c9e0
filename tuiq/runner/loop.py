"""Which event loop runners use, and how it shares the interpreter with threads."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


SWITCH = 0.0005
"""Seconds for which a thread that only computes keeps the loop waiting.

Python's 5 ms are what each system call of the loop costs meanwhile, and a delivery
makes 25: while a directory was searched for orphans next to nothing was sent.
"""


def let_threads_compute() -> None:
    """See to it that threads which compute leave the loop its turns.

    For a runner that does all in one process; workers have no such threads.
    """
    sys.setswitchinterval(SWITCH)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's factory where it is installed."""
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory

"""What runners run on: the event loop, and when garbage is looked for."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

ALLOCATIONS = 50_000
"""Containers made beyond those freed before the young ones are looked through."""


def look_for_garbage_seldom() -> None:
    """Spare collections what cannot find anything.

    What is loaded by now stays, messages in hand are freed as they end, and thousands
    of them wait at a time: by the interpreter's own thresholds each would be looked
    through again and again, for some three parts in a hundred of a delivery's time.
    """
    gc.freeze()
    gc.set_threshold(ALLOCATIONS, 20, 50)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's factory where it is installed."""
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory

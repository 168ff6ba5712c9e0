"""Work in threads that a cancelled task does not leave behind."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

_T = TypeVar("_T")


async def in_thread(
    function: Callable[..., _T], *args: object, executor: Executor | None = None
) -> _T:
    """Call *function* in a thread; when cancelled, wait for its end all the same.

    The thread works on open files: they may not be closed, and their numbers
    not be given to others, before it is through.
    """
    loop = asyncio.get_running_loop()
    future = loop.run_in_executor(executor, function, *args)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait((future,))
        raise

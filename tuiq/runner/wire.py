"""Supervisor and workers: what they tell each other beside leases, and how.

Both ends are the same program in the same version, over a socket pair that nobody
else has: a message is a pickled value behind its length.
"""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tuiq.config import Config
    from tuiq.runner.runner import Options

PATIENCE = 1.0
"""Seconds for which the other end may keep a closing one waiting."""
_LENGTH = struct.Struct("!I")


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """The first message to a worker: who it is and what it is to do."""

    config: Config
    number: int
    """From 1; names its status file."""
    directories: tuple[str, ...]
    """Names of the queue directories it serves."""
    options: Options
    verbose: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Drain, and end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reload:
    """Go by other settings."""

    config: Config


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Scan now: something has been made due (ALRM)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopt:
    """Serve another directory."""

    directory: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """To a worker, which sends it back: whether it still does anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unable:
    """From a worker: it cannot begin."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspected:
    """A sync failed in a directory; from the worker that saw it, and to the others."""

    directory: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LowDisk:
    """From a worker: a directory's disk is too full to send; trash has to go."""

    directory: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """From a worker: its totals since its start."""

    counters: dict[str, int]


Named: TypeAlias = tuple[str, str, bool]
"""A finished message: queue directory, queue id, and whether texts may be beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove:
    """From a worker: unlink finished messages, whose locks it holds."""

    number: int
    messages: tuple[Named, ...]
    sync: bool
    """Whether that is to be durable before it is told, and before their data goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """To a worker: their control files are gone."""

    number: int
    failed: dict[str, str]
    """Queue id -> why one is not."""
    problem: str
    """Why it cannot be believed that they are gone for good; empty: nothing."""


@dataclass(slots=True)
class Channel:
    """One end of a socket pair."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    _closed: bool = field(default=False, init=False)

    def send(self, message: object) -> None:
        """Send *message*; into the void when the other end has gone."""
        if not self._closed and not self.writer.is_closing():
            data = pickle.dumps(message)
            self.writer.write(_LENGTH.pack(len(data)) + data)

    async def messages(self) -> AsyncIterator[Any]:
        """Yield what the other end sends, until it is closed or dead."""
        try:
            while True:
                (length,) = _LENGTH.unpack(await self.reader.readexactly(_LENGTH.size))
                yield pickle.loads(await self.reader.readexactly(length))
        except (EOFError, OSError):
            # IncompleteReadError is an EOFError.
            return

    async def close(self) -> None:
        """Close this end, when what was sent has left; not if nobody takes it."""
        self._closed = True
        self.writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await self.writer.wait_closed()
        self.writer.transport.abort()

"""Limits that an operator changed while a runner works: ``run/limits.json``.

They stand above what ``tuiq.toml`` says, which stays as its owner wrote it.  A runner
reads them with its configuration, on HUP, says so in its status, and removes the file
when it starts: they last no longer than the runner that they were meant for.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from tuiq.log import printable
from tuiq.spool.fs import pread_all, write_all

if TYPE_CHECKING:
    from tuiq.config import Config
    from tuiq.spool.fs import Fs

FILE = "limits.json"
HIGHEST = 10_000
_LARGEST = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Connections to one destination: those of ``[delivery]``, changed for now."""

    concurrency: int
    initial_concurrency: int
    who: str = ""
    since: int = 0
    """Epoch seconds."""

    def over(self, config: Config) -> Config:
        """Return *config* with these limits."""
        delivery = replace(
            config.delivery,
            concurrency=self.concurrency,
            initial_concurrency=self.initial_concurrency,
        )
        return replace(config, delivery=delivery)

    def words(self) -> str:
        """Say what is in force, by whom, and until when; clean."""
        return (
            f"limits changed by {printable(self.who)}: {self.concurrency} connections "
            f"to one destination, {self.initial_concurrency} at first; until the "
            "runner restarts"
        )


def read_limits(fs: Fs, run_fd: int) -> Limits | None:
    """Return the changed limits; None without any, or when they make no sense."""
    try:
        fd = fs.open(FILE, os.O_RDONLY | os.O_NONBLOCK, dir_fd=run_fd)
    except OSError:
        return None
    try:
        return _decode(json.loads(pread_all(fs, fd, _LARGEST, 0)))
    except (OSError, ValueError):
        return None
    finally:
        fs.close(fd)


def _decode(members: Any) -> Limits | None:
    match members:
        case {
            "concurrency": int(most),
            "initial_concurrency": int(first),
            "who": str(who),
            "since": int(since),
        } if 1 <= most <= HIGHEST and 1 <= first <= HIGHEST:
            return Limits(
                concurrency=most, initial_concurrency=first, who=who, since=since
            )
    return None


def write_limits(fs: Fs, run_fd: int, limits: Limits) -> None:
    """Change the limits for the runner that is alive; it has to be told (HUP)."""
    temporary = f"{FILE}.{os.getpid()}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    fd = fs.open(temporary, flags, dir_fd=run_fd)
    try:
        write_all(fs, fd, json.dumps(asdict(limits)).encode() + b"\n")
    finally:
        fs.close(fd)
    fs.rename(temporary, FILE, dir_fd=run_fd)


def clear_limits(fs: Fs, run_fd: int) -> None:
    """Go back to what the configuration says."""
    with suppress(FileNotFoundError):
        fs.unlink(FILE, dir_fd=run_fd)

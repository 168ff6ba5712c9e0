"""One queue directory from outside: where it is, whether it is there, who serves it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tuiq.log import printable
from tuiq.spool.suspect import is_marked

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tuiq.actions.rates import Rates
    from tuiq.spool.layout import QueueDirectory
    from tuiq.spool.spool import Spool
    from tuiq.spool.status import RunnerStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryFacts:
    """One queue directory from outside."""

    name: str
    path: str
    real: str = ""
    """Where it lies if ``path`` is a symbolic link; clean."""
    free_bytes: int = 0
    total_bytes: int = 0
    free_inodes: int = 0
    total_inodes: int = 0
    """0: the file system does not count them."""
    low: str = ""
    """Why nothing is attempted there; clean."""
    suspect: str = ""
    """Why it is not trusted; clean."""
    error: str = ""
    """Why it cannot be looked at; clean."""
    runner: str = ""
    """Who serves it: ``worker-1 (pid 12)``; empty: nobody."""
    rate_in: float = 0.0
    """Messages a second."""
    rate_out: float = 0.0
    """Messages a second that a runner was done with."""


def look_at(
    directory: QueueDirectory,
    spool: Spool,
    alive: Iterable[RunnerStatus],
    *,
    low: str,
    rates: Rates,
) -> DirectoryFacts:
    """Look at one directory; what fails is told by ``error``."""
    name = directory.name
    space = (0, 0, 0, 0)
    suspect, error = "", ""
    try:
        space = _space(directory)
        error = _strayed(directory)
        if is_marked(spool.run_fd, directory):
            suspect = "a sync failed here; check the disk, then restart the runner"
    except OSError as problem:
        reason = printable(problem.strerror or str(problem)).lower()
        error = f"cannot be looked at: {reason}"
    return DirectoryFacts(
        name=name,
        path=printable(str(directory.path)),
        real=_target(directory.path),
        free_bytes=space[0],
        total_bytes=space[1],
        free_inodes=space[2],
        total_inodes=space[3],
        low=printable(low),
        suspect=suspect,
        error=error,
        runner=_servers(name, alive),
        rate_in=rates.entered.get(name, 0.0),
        rate_out=rates.left.get(name, 0.0),
    )


def _space(directory: QueueDirectory) -> tuple[int, int, int, int]:
    """Return free and all bytes, free and all inodes."""
    space = directory.fs.statvfs(directory.qf_fd)
    unit = space.f_frsize
    return (
        space.f_bavail * unit,
        space.f_blocks * unit,
        space.f_favail,
        space.f_files,
    )


def _strayed(directory: QueueDirectory) -> str:
    """Say if the path leads elsewhere than the directory that is open."""
    try:
        there = directory.path.stat()
    except FileNotFoundError:
        return "is gone; was its disk unmounted, or the directory renamed?"
    except PermissionError:
        return f"permission denied for uid {os.geteuid()}; run tuiq as the queue user"
    here = os.fstat(directory.top_fd)
    if (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino):
        return ""
    return "leads to another directory now; restart tuiq and the runner"


def _target(path: Path) -> str:
    """Return where a symbolic link leads; empty for a directory."""
    try:
        return printable(str(path.resolve())) if path.is_symlink() else ""
    except (OSError, RuntimeError):  # a loop of links
        return ""


def _servers(name: str, alive: Iterable[RunnerStatus]) -> str:
    """Say which runners serve a directory: workers, or else who leads them."""
    serving = [told for told in alive if name in told.directories]
    workers = [told for told in serving if told.name != "supervisor"] or serving
    if not workers:
        return ""
    if len(workers) == 1:
        return printable(f"{workers[0].name} (pid {workers[0].pid})")
    names = ", ".join(told.name for told in workers)
    pids = ", ".join(str(told.pid) for told in workers)
    return printable(f"{names} (pids {pids})")

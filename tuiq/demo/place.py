"""Where the throwaway spool of ``tuiq demo`` goes: a real disk that has room."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from tuiq.errors import UsageError
from tuiq.spool.disk import refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PREFIX = "tuiq-demo-"
NEEDED = 200 * 1024 * 1024
"""Free bytes asked for; the demo uses a tenth of that."""


def find_place(environ: Mapping[str, str]) -> Path:
    """Return a directory for temporary files that can hold a queue.

    Raises UsageError, which says what is wrong with each candidate.
    """
    reasons: dict[Path, str] = {}
    for path in _candidates(environ):
        reason = reasons.get(path) or obstacle(path)
        if reason is None:
            return path
        reasons[path] = reason
    text = "; ".join(reasons.values())
    raise UsageError(f"no place for a spool: {text}; name one with --keep DIR")


def obstacle(path: Path) -> str | None:
    """Return why no spool can be made under *path*, None when one can."""
    if re.search(r"[*?\[]", str(path)) or not str(path).isprintable():
        return f"{path}: a spool's path has no *, ?, [ or control character"
    if not path.is_dir():
        return f"{path}: is no directory"
    if not os.access(path, os.W_OK | os.X_OK):
        return f"{path}: cannot be written to"
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        space = os.fstatvfs(fd)
        if space.f_bavail * space.f_frsize < NEEDED:
            return f"{path}: less than 200 MB free"
        return refusal(path, fd)
    finally:
        os.close(fd)


def _candidates(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield the usual places, the user's choice first."""
    if environ.get("TMPDIR"):
        yield Path(environ["TMPDIR"]).absolute()
    yield Path("/var/tmp")
    yield Path("/tmp")
    cache = environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    yield Path(cache)
    yield Path.cwd()

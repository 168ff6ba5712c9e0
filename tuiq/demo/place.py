"""The spool of ``tuiq demo``: on a real disk that has room, with hurried settings."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tuiq import config as configuration
from tuiq.config.writer import template
from tuiq.demo.story import NOTICE, RETRY
from tuiq.errors import UsageError
from tuiq.spool.disk import refusal
from tuiq.spool.setup import create_spool

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tuiq.config import Config

PREFIX = "tuiq-demo-"
NEEDED = 200 * 1024 * 1024
"""Free bytes asked for; the demo uses a tenth of that."""


_SETTINGS = {
    ("spool", "queues"): "q.*",
    ("spool", "min_free_bytes"): 64 * 1024 * 1024,
    ("submission", "hostname"): "web1.harbor.example",
    ("delivery", "concurrency"): 10,
    ("delivery", "idle_timeout"): 2.0,
    ("delivery", "retry_destination"): 2.0,
    ("delivery", "command_timeout"): 5.0,
    ("delivery", "data_timeout"): 5.0,
    ("delivery", "quit_timeout"): 1.0,
    ("retry", "min_backoff"): 2.0,
    ("retry", "max_backoff"): RETRY,
    ("retry", "delay_notice"): NOTICE,
    ("runner", "drain_timeout"): 2.0,
}
"""What the demo changes: everything that would take hours takes seconds."""


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


def make_directory(keep: Path | None) -> Path:
    """Make the spool's directory, in *keep* or somewhere fit; raise UsageError."""
    if keep is None:
        place = find_place(os.environ)
        return Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    directory = keep.absolute()
    reason = obstacle(directory.parent)
    if reason is None and directory.exists():
        reason = f"{keep}: is no directory" if not directory.is_dir() else None
        if reason is None and any(directory.iterdir()):
            reason = f"{keep}: is not empty"
    if reason:
        raise UsageError(f"--keep {reason}; name a directory that can be made")
    directory.mkdir(mode=0o700, exist_ok=True)
    return directory


def make_spool(directory: Path, port: int) -> Config:
    """Make the spool, for a smarthost at *port* of this host; return its settings."""
    create_spool(directory, queues=2)
    file = directory / "tuiq.toml"
    values = {**_SETTINGS, ("delivery", "smarthost"): f"127.0.0.1:{port}"}
    file.write_text(template(values), encoding="utf-8")
    return configuration.load(file)

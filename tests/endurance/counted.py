"""``python -m tests.endurance.counted FILE WORD...``: tuiq, with its costs counted.

FILE gets JSON: how often each file system call was made, how often work was
handed to a thread (``hop``), and the seconds that the command took.
"""

from __future__ import annotations

import functools
import inspect
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tuiq.cli.main import main
from tuiq.spool.fs import OsFs

CALLS = ("open", "pread", "pwrite", "write", "fsync", "fdatasync", "syncfs", "unlink")
_lock = threading.Lock()


def count(owner: type, method: str, name: str, counts: Counter[str]) -> None:
    """Count the calls of a *method* under *name*."""
    original: Callable[..., Any] = getattr(owner, method)

    @functools.wraps(original)
    def counted(*args: Any, **kwargs: Any) -> Any:
        with _lock:
            counts[name] += 1
        return original(*args, **kwargs)

    is_static = isinstance(inspect.getattr_static(owner, method), staticmethod)
    setattr(owner, method, staticmethod(counted) if is_static else counted)


def run(out: Path, words: list[str]) -> int:
    """Run the command line of *words*; return its exit status."""
    counts: Counter[str] = Counter()
    for name in CALLS:
        count(OsFs, name, name, counts)
    count(ThreadPoolExecutor, "submit", "hop", counts)
    sys.argv[1:] = words
    began = time.monotonic()
    status = main()
    seconds = time.monotonic() - began
    out.write_text(json.dumps({"counts": counts, "seconds": seconds}))
    return status


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1]), sys.argv[2:]))

"""The file-descriptor budget, computed once from RLIMIT_NOFILE.

Running out of descriptors is never a surprise for a message: claims stop
before the limit, and when the kernel says EMFILE or ENFILE all the same, the
runner finishes what is open and goes on with less.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import resource

from tuiq.errors import SpoolUnavailable

PER_MESSAGE = 4
"""qf, df, bf and xf."""
SPARE = 12
"""Kept free for threads' scans, notices, the status file and the journal, and so that
texts (bf, xf) can be opened when all else is taken."""
LEAST = 64
"""The limit that is recommended to people who have set a lower one."""
MAX_LIMIT = 65_536
"""More than this is not asked for: closing them all takes time too."""
TABLE = 4096
"""Descriptors that the kernel's table has room for from the start, 8 bytes each."""
OUT_OF_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE})


class Budget:
    """How many messages and connections may be open at once."""

    def __init__(self, limit: int, *, reserved: int) -> None:
        """Share what *limit* leaves beside *reserved*: a message per connection.

        Raises SpoolUnavailable when that is not enough for one message.
        """
        self.limit = limit
        usable = limit - reserved
        if usable <= PER_MESSAGE:
            raise SpoolUnavailable(
                f"open files: {limit} are allowed and {reserved} are needed before the "
                f"first message; allow {LEAST} or more with ulimit -n"
            )
        self.connections = usable // (PER_MESSAGE + 1)
        self.messages = max(1, (usable - self.connections) // PER_MESSAGE)

    def shrink(self, *, open_messages: int, open_connections: int) -> None:
        """Go on with less than was open when descriptors ran out."""
        self.messages = max(1, min(self.messages, open_messages - 1))
        self.connections = max(1, min(self.connections, open_connections - 1))

    def __repr__(self) -> str:
        """Show the numbers that matter."""
        return (
            f"<Budget {self.limit} descriptors: {self.messages} messages, "
            f"{self.connections} connections>"
        )


def raise_limit() -> int:
    """Raise the soft descriptor limit towards the hard one; return what it is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_LIMIT if hard == resource.RLIM_INFINITY else min(hard, MAX_LIMIT)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    limit = MAX_LIMIT if soft == resource.RLIM_INFINITY else soft
    _make_table(min(limit, TABLE))
    return limit


def _make_table(size: int) -> None:
    """Have the kernel's table of this process hold *size* descriptors at once.

    It doubles as it fills up, and in a process with threads that stops whoever opens
    a file for 10 ms or more, while all processors pass through a grace period
    (Linux, expand_files): five times in the first 100 ms of a busy runner.
    """
    with contextlib.suppress(OSError):
        low = os.open("/", os.O_PATH | os.O_CLOEXEC)
        try:
            os.close(fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, size - 1))
        finally:
            os.close(low)


def in_use() -> int:
    """Return how many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd")) - 1

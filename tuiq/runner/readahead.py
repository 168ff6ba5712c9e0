"""Reading ahead: the files of messages that will be claimed soon.

A claim reads on the event loop.  That is right while its files are in the page cache,
as those of new mail are.  Where they are on the disk, after a reboot or when the
backlog has outgrown the memory, each read holds up every connection of the worker.  So
now and then a message to come is looked at, and if its data is not in memory, it and
those after it are asked for some way ahead: the disk then works on many at a time.

Where each message is read before it is queued, because it may go several ways, control
files are asked for by groups as well, just before they are read.
"""

from __future__ import annotations

import os
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from tuiq.runner.crowds import MAX_ACTIVE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiq.runner.work import Work

LEAD = 64
"""Messages by which reading is ahead of claiming."""
SAMPLE = 16
"""One message in so many is looked at; what is true of it is taken for true of all."""
BEGINNING = 256 * 1024
"""Bytes of a file that are asked for; the kernel goes on by itself."""
_FLAGS = os.O_RDONLY | os.O_NONBLOCK


class ReadAhead:
    """Asks for files some claims before they are read; owned by the event loop.

    It only hints: nothing that it reads is used, whatever goes wrong is found by the
    claim, and a message that is never claimed costs a read.
    """

    def __init__(self) -> None:
        """Begin with nothing to expect."""
        # Bounded for those that leave the runner's hands without a claim.
        self._coming: deque[Work] = deque(maxlen=MAX_ACTIVE)
        self._lead = 0  # messages passed that were not claimed since, about
        self._passed = 0
        self._is_cold = False

    def __len__(self) -> int:
        """Return how many messages are still to be passed."""
        return len(self._coming)

    def expect(self, work: Work) -> None:
        """Take note that a message will be claimed, after those told of before."""
        self._coming.append(work)

    def claiming(self) -> None:
        """Take note of a claim: go on by one message, by two until the lead is long."""
        coming = self._coming
        if self._lead < LEAD and coming:
            self._lead += 1
            self._pass(coming.popleft())
        if coming:
            self._pass(coming.popleft())
        elif self._lead:
            self._lead -= 1

    def ask_for_controls(self, works: Sequence[Work]) -> None:
        """Ask for control files that are all read next, if the first is on the disk."""
        is_cold = True
        for place, work in enumerate(works):
            with suppress(OSError):
                is_cold = _begin(work, "qf", look=place == 0)
            if not is_cold:
                return

    def _pass(self, work: Work) -> None:
        is_sample = self._passed % SAMPLE == 0
        self._passed += 1
        if (is_sample or self._is_cold) and work.visit is None:
            with suppress(OSError):
                self._is_cold = _begin(work, "df", look=is_sample)
                if self._is_cold:
                    _begin(work, "qf")


def _begin(work: Work, prefix: str, *, look: bool = False) -> bool:
    """Ask for a file, if *look* only when it is on the disk; say whether it was asked.

    Raises OSError, for a file that is gone above all.
    """
    directory = work.directory
    fs = directory.fs
    fd = fs.open(prefix + work.queue_id, _FLAGS, dir_fd=directory.fd_of(prefix))
    try:
        if look and fs.is_cached(fd):
            return False
        fs.begin_reading(fd, BEGINNING)
    finally:
        fs.close(fd)
    return True

"""What ``tuiq check`` can find, as values: the kind, the sentence, the repair."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Kind(StrEnum):
    """The classes of findings; the value is what ``--json`` prints."""

    WRONG_OWNER = "wrong-owner"
    """A file or directory that does not belong to the queue user."""
    WRONG_MODE = "wrong-mode"
    """A file or directory that others may read or write."""
    LOOSE_TARGET = "loose-target"
    """A queue directory behind a symlink, looser than the spool it hangs in."""
    MISPLACED = "misplaced"
    """A queue file outside the subdirectory where tuiq looks for it."""
    ORPHAN = "orphan"
    """A df, tf, bf or xf without its message that nobody is working on."""
    NO_DATA = "no-data"
    """A message whose data file is missing."""
    WRONG_DATA_LENGTH = "wrong-data-length"
    """A message whose data file is shorter or longer than it was."""
    DAMAGED = "damaged"
    """A control file with a wrong checksum, length or byte."""
    NOT_CONTROL_FILE = "not-a-control-file"
    """A qf that does not begin like one, or whose header is destroyed."""
    UNKNOWN_VERSION = "unknown-version"
    """A control file of another format version."""
    MARKED_CORRUPT = "marked-corrupt"
    """A message that a runner refused and left to a person."""
    RUNNER_DIED = "runner-died"
    """A message at whose delivery runners died five times or more."""
    MOVE_UNFINISHED = "move-unfinished"
    """One of the two copies that an interrupted move leaves."""
    DUPLICATE_MESSAGE = "duplicate-message"
    """One queue id live in two queue directories."""
    FOREIGN = "foreign"
    """Something that tuiq did not put there."""
    NOT_A_FILE = "not-a-file"
    """A symlink, FIFO, socket, device or directory under a queue file's name."""
    HARD_LINK = "hard-link"
    """A queue file with a second name."""
    DUPLICATE_ID = "duplicate-id"
    """Two queue directories with the same ``.tuiq-id``."""
    MISSING_FILE = "missing-file"
    """``.tuiq-id``, ``.lock``, ``.lockprobe`` or ``.reserve`` is not there."""
    UNREADABLE = "unreadable"
    """A directory or file that cannot be opened."""
    FILE_SYSTEM = "file-system"
    """A queue directory on a file system that does not keep its promises."""
    LOW_DISK = "low-disk"
    """Less free space or inodes than the floor."""
    STALE = "stale"
    """What a process that died left in run/ or pauses/."""
    SUSPECT = "suspect"
    """A queue directory in which a sync failed."""
    DAMAGED_PAUSE = "damaged-pause"
    """A pause that cannot be understood; it pauses all the same."""
    SENDMAIL = "sendmail"
    """What programs call as ``sendmail`` on this host is not tuiq's."""


NOTES = frozenset({Kind.SENDMAIL})
"""Kinds that are worth knowing and no fault of the spool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong, where, and what to do about it."""

    kind: Kind
    path: str
    reason: str
    """A clause that follows the path: ``belongs to uid 0 instead of 104``."""
    remedy: str
    """What a person can do, also when ``repair`` is there."""
    repair: Callable[[], str] | None = field(default=None, repr=False, compare=False)
    """Make it right and return what was done; None: a person has to decide.

    Raises OSError or SpoolError, after which nothing was lost.
    """

    @property
    def is_note(self) -> bool:
        """Say whether it is told without counting as a fault."""
        return self.kind in NOTES

    def __str__(self) -> str:
        """Return the one sentence that names file and remedy."""
        return f"{self.path}: {self.reason}; {self.remedy}"

"""Broken variants of the protocol: each must break the invariant named for it.

A mutant is either a process that leaves out certain system calls (below) or a
shipped function replaced by a faulty one (beside the test that uses it).  A
mutant that no explorer catches fails the suite: the explorer is blind then.
"""

from __future__ import annotations

import pytest

from tests.crash.explore import Caps, Sequence, Violation, explore
from tests.crash.schedule import Bounds, Race, search
from tests.crash.simfs import SimFs


def caught_by_crashes(sequence: Sequence, invariant: str, *, nested: int = 0) -> str:
    """Explore a broken sequence; say what caught it, fail unless *invariant* did.

    *nested*: crash the recoveries too, of so many crash states.
    """
    broken = explore(sequence, Caps(nested=nested, go_on=True)).broken
    assert invariant in broken, f"the mutant survived: {sorted(broken)} broke"
    return f"caught by invariant {', '.join(sorted(broken))}"


def caught_by_schedules(
    race: Race, invariant: str, bounds: Bounds | None = None
) -> str:
    """Search a broken race; say what caught it, fail unless *invariant* did."""
    with pytest.raises(Violation) as caught:
        search(race, bounds)
    assert caught.value.invariant == invariant, str(caught.value)
    return f"caught by invariant {invariant}"


class NoQfDirectorySync(SimFs):
    """fsync of the directory of the control files does nothing."""

    def fsync(self, fd: int) -> None:
        """See ``Fs``."""
        if self.name_of(fd) != "qf":
            super().fsync(fd)


class NoDfDirectorySync(SimFs):
    """fsync of the directory of the data files does nothing."""

    def fsync(self, fd: int) -> None:
        """See ``Fs``."""
        if self.name_of(fd) != "df":
            super().fsync(fd)


class NoDataSync(SimFs):
    """fsync and fdatasync of a data file do nothing."""

    def fsync(self, fd: int) -> None:
        """See ``Fs``."""
        if self.name_of(fd) == "df" or self.name_of(fd)[:2] != "df":
            super().fsync(fd)


class NoMarkSync(SimFs):
    """fdatasync and syncfs do nothing: marks and MSTATE F are not waited for."""

    def fdatasync(self, fd: int) -> None:
        """See ``Fs``."""

    def syncfs(self, fd: int) -> None:
        """See ``Fs``."""

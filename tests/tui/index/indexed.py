"""An index over a real spool, whose scanner works in the test's own process."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.cli.conftest import NOW, PlantedSpool
from tests.spool.world import SetClock
from tuiq.actions.circumstances import Circumstances
from tuiq.config import load
from tuiq.delivery.route import RouteTable
from tuiq.spool.holders import HeldLock, Holder, LockTable
from tuiq.spool.spool import Spool
from tuiq.tui.index.commands import Changed, List
from tuiq.tui.index.feed import Feed
from tuiq.tui.index.messages import Messages
from tuiq.tui.index.scanner import Scanner

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tuiq.tui.index.blocks import Report


class Indexed:
    """A planted spool, its index, and what brings the one to the other."""

    def __init__(self, planted: PlantedSpool, spool: Spool, clock: SetClock) -> None:
        self.planted, self.spool, self.clock = planted, spool, clock
        self.messages = Messages()
        self.feed = Feed(spool, self.messages)
        self.scanner = Scanner(spool, self._take)
        self.reports: list[Report] = []
        self.changed: frozenset[str] = frozenset()

    def _take(self, report: Report) -> None:
        self.reports.append(report)
        self.messages.take(report)  # type: ignore[arg-type]

    def read(self, *, whole: bool = True) -> None:
        """List and read everything."""
        for name in self.scanner.directories:
            self.scanner.do(List(directory=name, whole=whole))
        self.settle()

    def look(self, *names: str) -> None:
        """Look at control files that changed, by their planted names."""
        for name in names:
            file = self.planted.control_file(name)
            files = frozenset({file.name})
            self.scanner.do(Changed(directory=file.parent.name, names=files))
        self.settle()

    def settle(self) -> None:
        """Do everything that anybody waits for."""
        changed: set[str] = set()
        while True:
            while self.scanner.step():
                pass
            changed |= self.messages.settle() or set()
            requests = self.messages.requests
            if not requests and not self.messages.is_busy:
                break
            while requests:
                self.scanner.do(requests.popleft())
        self.changed = frozenset(changed)

    def around(self, locked: Iterable[str] = ()) -> Circumstances:
        """Return a look around, at locks that are said to be held."""
        holder = Holder(pid=1)
        return Circumstances(
            now=self.clock.now(),
            lifetime=5 * 86400.0,
            locks=LockTable(
                messages={
                    queue_id: HeldLock(
                        place="q.1", file=f"qf{queue_id}", inode=1, holder=holder
                    )
                    for queue_id in locked
                }
            ),
            routes=RouteTable(self.spool.config.delivery),
            pauses=self.spool.pauses.current(),
            uuids={d.name: d.uuid for d in self.spool.directories},
        )


@contextmanager
def indexed(planted: PlantedSpool) -> Iterator[Indexed]:
    """Open an index over a spool at the time ``NOW``; nothing is read yet."""
    clock = SetClock(float(NOW))
    with Spool(load(str(planted.config)), clock=clock) as spool:
        index = Indexed(planted, spool, clock)
        try:
            yield index
        finally:
            index.feed.stop()


def planted_spool(path: Path) -> PlantedSpool:
    """Make an empty spool of four queue directories."""
    return PlantedSpool(path)

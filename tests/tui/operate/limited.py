"""What a user is told whose rights end somewhere: ``python -m … SPOOL NAME MODE``.

Becomes nobody, opens the spool, takes rights away from the queue directory *NAME*, has
it listed, and prints what the scanner and the operator say of it, a line each.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from tests.tui.operate.desk import Floor
from tests.tui.world import furnish, open_world
from tuiq.tui.index.commands import List
from tuiq.tui.index.scanner import Scanner

NOBODY = 65534


def look(path: Path, name: str, mode: int) -> list[str]:
    """Return what is said when a directory that was listed has this *mode*."""
    with open_world(path) as (world, _clock):
        take = world.messages.take
        scanner = Scanner(world.spool, take)  # type: ignore[arg-type]
        scanner.do(List(directory=name, whole=True))
        while scanner.step():
            pass
        world.messages.settle()
        (path / name).chmod(mode)
        scanner.do(List(directory=name))
        while scanner.step():
            pass
        floor = Floor(world)
        floor.mean(world.messages.table.spell(world.messages.table.rows[:1])[0])
        why = floor.operator.why_not("hold", floor.page)
        return [scanner.troubles.get(name, ""), why]


def main(path: Path, name: str, mode: int) -> None:
    # As root first: nobody may not be let in where Python's modules are, and some are
    # loaded only when they are needed.
    with tempfile.TemporaryDirectory() as place:
        look(furnish(Path(place) / "spool").path, name, mode)
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    print(*look(path, name, mode), sep="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3], 8))

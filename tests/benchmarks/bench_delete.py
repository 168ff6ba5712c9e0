"""Delete 100,000 queued messages: tuiq, Postfix's postsuper, and find.

``python -m tests.benchmarks.bench_delete [--small]``.  ``tuiq delete`` puts messages
into the trash and ``tuiq purge`` removes them, as durably as every verb; nothing
undoes ``postsuper -d`` and ``find -delete``.  Before each measurement everything that
was written is on the disk (``sync``), so that none pays for another.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from tests.benchmarks.filled import (
    Pattern,
    fill_postfix,
    fill_spool,
    refill_spool,
    sync,
)
from tests.benchmarks.side import (
    TUIQ,
    Report,
    Row,
    Usage,
    arguments,
    measure,
    require_postfix,
    scratch,
)
from tests.peers.postfix import Postfix

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def tuiq(settings: Path, *words: str) -> Usage:
    """Run one of tuiq's verbs on everything that was synced before."""
    sync()
    environment = {**os.environ, "TUIQ_CONFIG": str(settings)}
    used = measure((*TUIQ, *words), env=environment)
    assert used.status == 0, used.stdout
    return used


def files(spool: Path) -> int:
    """Return how many message files are left in a spool."""
    return sum(1 for entry in os.scandir(spool / "q.1") if entry.name[1:2] == "f")


def postsuper(place: Path, count: int) -> Usage:
    """Let Postfix delete as many messages."""
    with Postfix(place) as postfix:
        fill_postfix(postfix, Pattern.take(postfix), count - 1)
        sync()
        command = (postfix.command("postsuper"), "-d", "ALL")
        used = measure(command, env=postfix.environment)
        assert used.status == 0
        left = [p for p in (postfix.queue_dir / "deferred").rglob("*") if p.is_file()]
        assert not left
    return used


def find(spool: Path) -> Usage:
    """Let find delete the files of a spool's messages."""
    sync()
    used = measure(("find", spool / "q.1", "-name", "?f*", "-delete"))
    assert files(spool) == 0
    return used


def compare(report: Report, place: Path, count: int) -> None:
    """Delete, undo, delete again, purge; then the others."""
    spool = place / "spool"
    settings = fill_spool(spool, count)
    first = tuiq(settings, "delete", "ALL", "--yes")
    action = first.stdout.split()[-1].decode()
    undone = tuiq(settings, "undo", action)
    assert f"restored {count:,}".encode() in undone.stdout
    second = tuiq(settings, "delete", "ALL", "--yes")
    assert files(spool) == 2 * count
    purged = tuiq(settings, "purge", "ALL", "--yes")
    assert files(spool) == 0
    peer = postsuper(place / "postfix", count)
    refill_spool(spool, count)
    found = find(spool)
    deleted = min(first.seconds, second.seconds)

    def row(what: str, seconds: float, than: Usage | None, note: str = "") -> None:
        report.add(
            Row(
                what=what,
                unit="s",
                tuiq=seconds,
                peer=than.seconds if than else None,
                target=1.0 if than is peer else None,
                less_is_better=True,
                note=note,
            )
        )

    row("tuiq delete, postsuper -d ALL", deleted, peer, "can be undone")
    row("tuiq delete and purge, postsuper", deleted + purged.seconds, peer)
    row("tuiq purge, find -delete", purged.seconds, found, "two files a message")
    row("tuiq undo", undone.seconds, None)
    report.add(
        Row(
            what="peak memory of tuiq delete, postsuper",
            unit="MiB",
            tuiq=max(first.rss, second.rss) / 2**20,
            peer=peer.rss / 2**20,
            less_is_better=True,
            note="the frozen selection",
        )
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print the table."""
    options = arguments(
        __doc__ or "", argv, messages=(100_000, 1_000, "messages in each queue")
    )
    require_postfix()
    report = Report(
        title=f"Delete {options.messages:,} queued messages (7e)",
        where=options.where,
        peer="the other",
        durability=(
            "tuiq: every answer is durable (a sync for 500 messages), each message in "
            "the audit log before and after",
            "postsuper, find: nothing is synced",
        ),
    )
    with scratch(options.where) as place:
        compare(report, place, options.messages)
    report.print(markdown=options.markdown)
    return 0


if __name__ == "__main__":
    sys.exit(main())

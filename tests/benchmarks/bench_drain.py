"""10,000 messages of 4 KB to one smarthost, against Postfix: messages a second.

``python -m tests.benchmarks.bench_drain [--small] [--cold] [--messages N]``.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tests.benchmarks import draining, side
from tests.benchmarks.draining import Load

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    given = side.arguments(
        "drain a full queue into one smarthost",
        argv,
        flags=[("cold", "nothing is in the page cache, as after a reboot (root)")],
        messages=(10_000, 300, "messages"),
        rounds=(3, 1, "rounds of everything; the median counts"),
        queues=(1, 1, "queue directories of tuiq"),
    )
    side.require_postfix()
    load = Load(messages=given.messages, queues=given.queues, cold=given.cold)
    begin = "Drain from the disk" if load.cold else "Drain"
    draining.against_postfix(
        given,
        load,
        f"{begin}: {load.messages:,} messages of {load.size:,} bytes, "
        f"{load.queues} queue director{'y' if load.queues == 1 else 'ies'}",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""10,000 messages of 4 KB to one smarthost, against Postfix: messages a second.

``python -m tests.benchmarks.bench_drain [--small] [--messages N] [--rounds N]``.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tests.benchmarks import draining, side
from tests.benchmarks.draining import Drain, Load

if TYPE_CHECKING:
    from collections.abc import Sequence

DURABILITIES = ("group", "each", "none")
TARGET = 3.0


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    given = side.arguments(
        "drain a full queue into one smarthost",
        argv,
        messages=(10_000, 300, "messages"),
        rounds=(3, 1, "rounds of everything; the median counts"),
        queues=(1, 1, "queue directories of tuiq"),
    )
    side.require_postfix()
    load = Load(messages=given.messages, queues=given.queues)
    drains: dict[str, list[Drain]] = {}
    with side.scratch(given.where) as where:
        reason = draining.nobody_can_pass(where)
        if reason:
            raise SystemExit(reason)
        for _ in range(given.rounds):
            for name, drain in draining.both_sides(where, load, DURABILITIES).items():
                drains.setdefault(name, []).append(drain)
        report = draining.report(
            f"Drain: {load.messages:,} messages of {load.size:,} bytes, "
            f"{load.queues} queue director{'y' if load.queues == 1 else 'ies'}",
            where,
            load,
            drains,
        )
        for setting in DURABILITIES:
            target = TARGET if setting == "group" else None
            draining.compare(report, setting, drains, load, target=target)
        report.print(markdown=given.markdown)
    return 0


if __name__ == "__main__":
    sys.exit(main())

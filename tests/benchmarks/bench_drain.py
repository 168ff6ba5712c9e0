"""10,000 messages of 4 KB to one smarthost, against Postfix: messages a second.

``python -m tests.benchmarks.bench_drain [--small] [--messages N] [--rounds N]``.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tests.benchmarks import draining, side
from tests.benchmarks.draining import TUNED, Drain, Load

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

DURABILITIES = ("group", "each", "none")
TARGET = 3.0


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    given = side.arguments(
        "drain a full queue into one smarthost",
        argv,
        messages=(10_000, 300, "messages"),
        rounds=(3, 1, "rounds of everything; the median counts"),
    )
    side.require_postfix()
    load = Load(messages=given.messages)
    drains: dict[str, list[Drain]] = {}
    with side.scratch(given.where) as where:
        reason = draining.nobody_can_pass(where)
        if reason:
            raise SystemExit(reason)
        for _ in range(given.rounds):
            for name, drain in measured(where, load).items():
                drains.setdefault(name, []).append(drain)
        middle = {name: draining.median(each) for name, each in drains.items()}
        report = side.Report(
            title=f"Drain: {load.messages:,} messages of {load.size:,} bytes",
            where=where,
            durability=(
                "tuiq: accepted mail is synced; marks of delivery by the row's setting",
                side.POSTFIX_DURABILITY,
            ),
            notes=[
                "one smtp-sink takes everything; median of "
                f"{given.rounds} rounds, both sides in turns",
                "tuned Postfix: "
                + ", ".join(f"{key} = {value}" for key, value in TUNED.items()),
                *(draining.told(name, each, load) for name, each in middle.items()),
            ],
        )
        for setting in DURABILITIES:
            for peer in ("Postfix", "Postfix tuned"):
                wanted = TARGET if setting == "group" else None
                row = side.Row(
                    what=f"durability {setting}, against {peer}",
                    unit="messages/s",
                    tuiq=load.units / middle[f"tuiq {setting}"].seconds,
                    peer=load.units / middle[peer].seconds,
                    target=wanted,
                )
                report.add(row)
        report.print(markdown=given.markdown)
    return 0


def measured(where: Path, load: Load) -> dict[str, Drain]:
    """Drain each side once."""
    drains = {"Postfix": draining.drain_postfix(where, load)}
    for setting in DURABILITIES:
        line = f'spool.durability = "{setting}"'
        drains[f"tuiq {setting}"] = draining.drain_tuiq(where, load, line)
    drains["Postfix tuned"] = draining.drain_postfix(where, load, **TUNED)
    return drains


if __name__ == "__main__":
    sys.exit(main())

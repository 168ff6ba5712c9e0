"""``tuiq domains``: recipients by domain and age, the table of qshape(1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tuiq.actions.circumstances import look_around
from tuiq.actions.json_text import json_line, text
from tuiq.cli.listing import Listing
from tuiq.errors import UsageError
from tuiq.log import printable
from tuiq.spool.flags import OPEN
from tuiq.spool.spool import open_spool

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator

    from tuiq.actions.listed import Listed
    from tuiq.config import Config

_BUCKETS = 10
_WIDTH = 80
_SHORTEST_NAME = 18


@dataclass(slots=True, kw_only=True)
class Shape:
    """Counts by domain and age."""

    tick: float = 300.0
    """Seconds that the first bucket covers."""
    linear: bool = False
    """Whether all buckets are as wide as the first; else each doubles the bound."""
    # Domain -> one count per bucket; filled by add().
    rows: dict[bytes, list[int]] = field(default_factory=dict)

    def add(self, domain: bytes, age: float, count: int = 1) -> None:
        """Count *count* for *domain* at *age* seconds."""
        row = self.rows.setdefault(domain, [0] * _BUCKETS)
        row[self._bucket(age)] += count

    def _bucket(self, age: float) -> int:
        ticks = max(0, int(age // self.tick))
        bucket = ticks if self.linear else ticks.bit_length()
        return min(bucket, _BUCKETS - 1)

    def bounds(self) -> list[float]:
        """Return the upper bounds in seconds of all buckets but the last."""
        if self.linear:
            return [self.tick * (i + 1) for i in range(_BUCKETS - 1)]
        return [self.tick * 2**i for i in range(_BUCKETS - 1)]

    def total(self) -> list[int]:
        """Return the sums over all domains."""
        return [sum(column) for column in zip(*self.rows.values(), strict=True)] or (
            [0] * _BUCKETS
        )

    def ranked(self) -> list[tuple[bytes, list[int]]]:
        """Return the domains with most recipients first."""
        return sorted(
            self.rows.items(), key=lambda item: (-sum(item[1]), len(item[0]), item[0])
        )


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``tuiq domains``."""
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument(
        "-s", "--sender", action="store_true", help="messages by sender domain instead"
    )
    parser.add_argument(
        "-t",
        "--tick",
        metavar="MINUTES",
        type=float,
        default=5.0,
        help="age of the first column (5)",
    )
    parser.add_argument(
        "-l", "--linear", action="store_true", help="equal steps instead of doubling"
    )
    parser.add_argument(
        "--filter", metavar="FILTER", default="", help="only what the filter selects"
    )


def run(args: argparse.Namespace, config_loader: Callable[[], Config]) -> int:
    """Count and print."""
    if not args.tick > 0:
        raise UsageError(f"-t {args.tick:g}: minutes must be more than 0")
    shape = Shape(tick=args.tick * 60, linear=args.linear)
    with open_spool(config_loader()) as spool:
        around = look_around(spool)
        listing = Listing(spool, around, expression=args.filter)
        count(shape, listing, around.now, by_sender=args.sender)
    for line in as_json(shape) if args.json else as_table(shape):
        print(line)
    return 0


def count(
    shape: Shape, messages: Iterable[Listed], now: float, *, by_sender: bool
) -> None:
    """Add every open recipient, or every message by its sender's domain."""
    for listed in messages:
        age = now - listed.entry.birth
        if by_sender:
            sender = listed.entry.sender
            shape.add(_domain(sender) if sender else b"MAILER-DAEMON", age)
            continue
        for view in listed.recipients:
            if view.state in OPEN:
                shape.add(_domain(view.address), age)


def _domain(address: bytes) -> bytes:
    return address.rpartition(b"@")[2].lower().rstrip(b".")


def as_json(shape: Shape) -> Iterator[str]:
    """Yield the totals (domain null), then one object per domain."""
    bounds = [int(bound) for bound in shape.bounds()]
    rows: list[tuple[bytes | None, list[int]]] = [(None, shape.total())]
    rows += shape.ranked()
    for domain, counts in rows:
        yield json_line(
            {
                "domain": None if domain is None else text(domain),
                "total": sum(counts),
                "counts": counts,
                "bounds": bounds,
            }
        )


def as_table(shape: Shape) -> Iterator[str]:
    """Yield qshape's table: ages in minutes, flush right at column 80."""
    minutes = [f"{bound / 60:g}" for bound in shape.bounds()]
    heads = ["T", *minutes, f"{minutes[-1]}+"]
    total = shape.total()
    sums = [sum(total), *total]
    widths = [
        max(2, len(head), len(str(most))) + 1
        for head, most in zip(heads, sums, strict=True)
    ]
    name_width = max(_SHORTEST_NAME, _WIDTH - sum(widths))

    def line(name: str, cells: Iterable[object]) -> str:
        if len(name) > name_width:
            name = "+" + name[1 - name_width :]
        numbers = (
            str(cell).rjust(width) for cell, width in zip(cells, widths, strict=True)
        )
        return name.rjust(name_width) + "".join(numbers)

    yield line("", heads)
    yield line("TOTAL", sums)
    for domain, counts in shape.ranked():
        yield line(printable(domain), [sum(counts), *counts])

"""``tuiq config``: every setting in effect and where it comes from."""

from __future__ import annotations

import json
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from tuiq.cli.diagnostics import ExitCode
from tuiq.config.writer import effective
from tuiq.log import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator

    from tuiq.config import Config
    from tuiq.config.writer import Effective


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``tuiq config``."""
    parser.add_argument("--json", action="store_true", help="one object a line")


def run(args: argparse.Namespace, config_loader: Callable[[], Config]) -> int:
    """Print the settings: TOML with the source in a comment, or JSON lines."""
    settings = effective(config_loader())
    lines = _json(settings) if args.json else _toml(settings)
    print("\n".join(lines))
    return ExitCode.OK


def _toml(settings: Iterable[Effective]) -> Iterator[str]:
    """Yield the settings as a valid ``tuiq.toml``."""
    gap = ""
    for section, members in groupby(settings, attrgetter("section")):
        yield f"{gap}[{section}]"
        gap = "\n"
        for setting in members:
            *lines, last = f"{setting.key} = {setting.value}".split("\n")
            yield from map(printable, lines)
            yield printable(f"{last:<44} # {setting.where}")


def _json(settings: Iterable[Effective]) -> Iterator[str]:
    """Yield one JSON object for each setting; durations in seconds, sizes in bytes."""
    for setting in settings:
        yield json.dumps(
            {
                "section": setting.section,
                "key": setting.key,
                "value": setting.plain,
                "where": setting.where,
            }
        )

"""``tuiq metrics``: the numbers for monitoring, as OpenMetrics text on stdout.

The queue is counted now; what the runner writes to ``[metrics] textfile`` or serves
is counted every now and then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiq.cli.diagnostics import ExitCode
from tuiq.runner.exposition import render
from tuiq.runner.metrics import Observer
from tuiq.spool.spool import open_spool

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from tuiq.config import Config


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``tuiq metrics``: none."""


def run(args: argparse.Namespace, config_loader: Callable[[], Config]) -> int:
    """Count, look, print."""
    with open_spool(config_loader()) as spool:
        observer = Observer(spool)
        observer.census.advance()
        print(render(observer.observe()).decode(), end="")
    return ExitCode.OK

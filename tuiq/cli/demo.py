"""``tuiq demo``: see it all work in a throwaway world."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tuiq.actions.filter_terms import parse_duration
from tuiq.cli.diagnostics import ExitCode
from tuiq.demo.play import Options, play
from tuiq.demo.summary import summary
from tuiq.demo.view import view_for
from tuiq.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from tuiq.config import Config


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``tuiq demo``."""
    parser.description = (
        "A spool, a runner and an SMTP server that behaves like the world does: some "
        "mail and a newsletter to 20,000 readers are delivered before your eyes. On a "
        "terminal it opens the UI, until you leave that (q); else, or with --plain, "
        "it tells its story in lines, for half a minute. No other spool or setting is "
        "touched, nothing leaves this machine, and nothing stays."
    )
    parser.add_argument(
        "--plain", action="store_true", help="no UI: half a minute, told in lines"
    )
    parser.add_argument(
        "--seconds",
        metavar="N",
        help="--plain for that long (90, 10m), not until everything is settled",
    )
    parser.add_argument(
        "--keep", metavar="DIR", help="make the spool in DIR and leave it there"
    )


def run(args: argparse.Namespace, config_loader: Callable[[], Config]) -> int:
    """Play, then sum up."""
    if args.config:
        raise UsageError("demo reads no --config; it makes settings of its own")
    options = Options(
        command=_own_name(),
        seconds=_seconds(args.seconds),
        keep=None if args.keep is None else Path(args.keep),
    )
    if not args.plain and args.seconds is None and _has_screen():
        from tuiq.demo.staged import show

        return show(options)
    scene, ending = play(options, view_for(sys.stdout, os.environ))
    print()
    for line in summary(scene, ending):
        print(line)
    if ending.signal in (0, signal.SIGINT):
        return ExitCode.OK
    return 128 + ending.signal


def _has_screen() -> bool:
    """Say whether there is a terminal that the UI can use."""
    plain = os.environ.get("TERM", "dumb") in {"", "dumb"}
    return sys.stdin.isatty() and sys.stdout.isatty() and not plain


def _seconds(text: str | None) -> float | None:
    """Return the value of ``--seconds``, with or without a unit."""
    if text is None:
        return None
    try:
        seconds = parse_duration(f"{text}s" if text.isdecimal() else text)
    except ValueError as error:
        raise UsageError(f"--seconds {error}") from None
    if seconds <= 0:
        raise UsageError("--seconds: give at least 1")
    return seconds


def _own_name() -> str:
    """Return how a user calls this program again."""
    called = sys.argv[0]
    if shutil.which("tuiq") or os.path.basename(called) != "tuiq":
        return "tuiq"
    return called

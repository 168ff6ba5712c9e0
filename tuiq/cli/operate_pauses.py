"""``tuiq pause`` and ``tuiq resume``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiq.actions import pausing
from tuiq.actions.filter_terms import parse_duration
from tuiq.actions.json_text import json_line
from tuiq.actions.words import instant
from tuiq.cli.diagnostics import ExitCode
from tuiq.errors import UsageError
from tuiq.spool import open_spool

if TYPE_CHECKING:
    import argparse

    from tuiq.actions.actor import Actor
    from tuiq.config import Config


def register_pausing(parser: argparse.ArgumentParser, word: str) -> None:
    """Add the arguments of ``pause`` or ``resume``."""
    parser.add_argument(
        "place",
        nargs="*",
        metavar="PLACE",
        help="spool (the default), queue NAME or destination NAME",
    )
    if word == "pause":
        parser.add_argument(
            "--for", dest="span", metavar="30m", help="until then, else until resumed"
        )


def pause_or_resume(args: argparse.Namespace, config: Config, actor: Actor) -> int:
    """Pause or resume a place."""
    span = None
    if args.command == "pause" and args.span is not None:
        span = _span(args.span)
    with open_spool(config) as spool:
        where = pausing.place(spool, args.place)
        if args.command == "resume":
            action = pausing.resume(spool, where, actor=actor, reason=args.reason)
            tell_pausing(args, f"resumed {where}", action)
            return ExitCode.OK
        until = 0 if span is None else int(spool.clock.now()) + span
        action = pausing.pause(
            spool, where, actor=actor, until=until, reason=args.reason
        )
        ending = f"until {instant(until)}" if until else "until tuiq resume"
        tell_pausing(args, f"paused {where} {ending}", action)
    return ExitCode.OK


def _span(written: str) -> int:
    try:
        span = parse_duration(written)
    except ValueError as error:
        raise UsageError(f"--for {error}") from None
    if not span:
        raise UsageError("--for 0s: a pause lasts longer than that")
    return span


def tell_pausing(args: argparse.Namespace, told: str, action: str) -> None:
    """Print what was done and how to take it back."""
    if args.json:
        print(json_line({"action": action, "text": told}))
    else:
        print(f"{told}\ntake it back with: tuiq undo {action}")

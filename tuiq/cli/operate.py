"""``tuiq hold … delivered``, ``undo``, ``pause`` and ``resume``: operators' words.

Whatever they do goes through ``tuiq.actions``; here are only the arguments, the
questions and the reports.
"""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tuiq.actions import verbs
from tuiq.actions.actor import Actor
from tuiq.actions.audit import is_action
from tuiq.actions.circumstances import look_around
from tuiq.actions.filter import FilterError, parse
from tuiq.actions.lookup import find_id
from tuiq.actions.preview import preview
from tuiq.actions.selection import (
    Selection,
    freeze,
    pick_all,
    pick_by_filter,
    pick_by_ids,
)
from tuiq.actions.words import plural
from tuiq.cli.confirm import confirm, is_interactive
from tuiq.cli.diagnostics import ExitCode
from tuiq.cli.operate_pauses import pause_or_resume, register_pausing, tell_pausing
from tuiq.cli.operate_report import carry_out, list_undoable, nothing_meant, show
from tuiq.errors import MessageGone, UsageError
from tuiq.log import printable
from tuiq.spool import open_spool
from tuiq.spool.answers import Verb
from tuiq.spool.layout import ID_LENGTH, is_queue_id

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from tuiq.actions.filter import Filter
    from tuiq.config import Config
    from tuiq.spool import Spool
    from tuiq.spool.entry import QueueEntry

EVERYTHING = "ALL"
FROM_STDIN = "-"
_PAUSING = ("pause", "resume")
_MARKS = frozenset("*!#?-+X")
"""What listings put behind an id without a space."""
_HEADERS_LIMIT = 64 * 1024


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the word that ``parser`` is for."""
    word = parser.get_default("command")
    if word in _PAUSING:
        register_pausing(parser, word)
    else:
        _register_verb(parser, word)
    parser.add_argument("--reason", default="", help="why, for the audit log")
    parser.add_argument("--json", action="store_true", help="one object a line")


def _register_verb(parser: argparse.ArgumentParser, word: str) -> None:
    action = ", or an ACTION of the audit log" if word == Verb.UNDO else ""
    parser.add_argument(
        "ids",
        nargs="*",
        metavar="ID",
        help=f"ID, ID/2, ID:address, - for ids on stdin, or {EVERYTHING}{action}",
    )
    parser.add_argument(
        "--filter", metavar="TEXT", help="e.g. 'from:x age>2h dom:a.org|b.org'"
    )
    parser.add_argument(
        "--matching-recipients",
        action="store_true",
        help="with --filter: only the recipients that fit by themselves",
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--dry-run", action="store_true", help="show what is meant, do nothing"
    )


def run(args: argparse.Namespace, config_loader: Callable[[], Config]) -> int:
    """Do what the word says; return the exit status."""
    actor = Actor.caller()  # before a root process becomes the queue user
    if args.command in _PAUSING:
        return pause_or_resume(args, config_loader(), actor)
    chosen = _checked_filter(args)
    words = _words(args)
    with open_spool(config_loader()) as spool:
        if args.command == Verb.UNDO and any(map(is_action, words)):
            return _undo_action(spool, args, words, actor)
        if chosen is None and not args.ids:
            list_undoable(spool.path / "audit")
            return ExitCode.OK
        selection = _select(spool, args, words, chosen)
        return _operate(spool, args, selection, actor)


def _checked_filter(args: argparse.Namespace) -> Filter | None:
    """Return the filter, if any; refuse what would mean too much."""
    if args.filter is None:
        if args.matching_recipients:
            raise UsageError("--matching-recipients belongs to --filter")
        if not args.ids and args.command != Verb.UNDO:
            raise UsageError(
                f"{args.command}: of what? give ids, - for ids on stdin, "
                f"--filter TEXT or {EVERYTHING}"
            )
        return None
    if args.ids:
        raise UsageError(f"{args.command}: give either ids or --filter, not both")
    try:
        chosen = parse(args.filter)
    except FilterError as error:
        sys.stderr.write(f"{error.caret}\n")
        raise
    if chosen.is_empty:
        raise UsageError(f"--filter is empty; to mean every message say {EVERYTHING}")
    return chosen


def _words(args: argparse.Namespace) -> list[str]:
    """Return the ids that were given, those on stdin in place of ``-``."""
    words: list[str] = args.ids
    if EVERYTHING in words and len(words) > 1:
        raise UsageError(f"{args.command}: {EVERYTHING} stands alone")
    if any(word != EVERYTHING and word.upper() == EVERYTHING for word in words):
        raise UsageError(f"{args.command}: every message is {EVERYTHING}, upper case")
    found: list[str] = []
    for word in words:
        found += _ids_on_stdin() if word == FROM_STDIN else [word]
    return found


def _ids_on_stdin() -> Iterator[str]:
    """Yield the first word of each line, without the marks that mailq puts there."""
    for line in sys.stdin:
        for word in line.split(maxsplit=1)[:1]:
            marked = is_queue_id(word[:ID_LENGTH]) and word[ID_LENGTH:] in _MARKS
            yield word[:ID_LENGTH] if marked else word


def _select(
    spool: Spool, args: argparse.Namespace, words: list[str], chosen: Filter | None
) -> Selection:
    """Freeze what is meant."""
    verb = Verb(args.command)
    if chosen is not None:
        context = look_around(spool).context(
            lambda entry: spool.read_data(entry, _HEADERS_LIMIT)
        )
        picks = pick_by_filter(
            spool.entries(),
            chosen,
            context,
            verb=verb,
            matching_recipients=args.matching_recipients,
        )
        scope = f"filter {chosen}"
        if args.matching_recipients:
            scope += " (matching recipients)"
        return freeze(picks, scope=scope, filter_text=str(chosen))
    if words == [EVERYTHING]:
        return freeze(pick_all(spool.entries(), verb=verb), scope=EVERYTHING)

    found, gone = pick_by_ids(words, lambda word: _find(spool, word))
    return freeze(found, scope=plural(len(words), "id"), gone=gone)


def _find(spool: Spool, word: str) -> QueueEntry:
    """Return the message of an id or of a unique part of one.

    Raises MessageGone for a whole id only: what else names nothing is a mistake.
    """
    try:
        return spool.entry(find_id(spool.directories, word))
    except MessageGone:
        if is_queue_id(word.upper()):
            raise
        raise UsageError(f"{printable(word)}: no queue id, nor part of one") from None


def _operate(
    spool: Spool, args: argparse.Namespace, selection: Selection, actor: Actor
) -> int:
    """Ask where a set was described instead of listed, then do it."""
    verb = Verb(args.command)
    described = args.filter is not None or args.ids == [EVERYTHING]
    if args.dry_run:
        show(args, verb, selection, spool.clock.now())
        return ExitCode.OK
    if not selection.count and described:
        return nothing_meant(args, selection)
    if described and not args.yes:
        if not is_interactive():
            raise UsageError(
                f"{verb}: {plural(selection.count, 'message')} would be meant and "
                "there is no terminal to ask on; say --yes, or look with --dry-run"
            )
        for line in preview(verb, selection, now=spool.clock.now()):
            sys.stderr.write(f"{line}\n")
        if not confirm(verb, selection.count):
            sys.stderr.write("nothing was done\n")
            return ExitCode.TEMPFAIL
    with stop_on_interrupt() as stopped:
        act = verbs.act(
            spool, verb, selection, actor=actor, reason=args.reason, stop=stopped
        )
        status = carry_out(args, act)
    if verb is Verb.FLUSH and not args.json and not look_around(spool).alive:
        print("no runner is alive to do it; start one with: tuiq --run")
    return status


def _undo_action(
    spool: Spool, args: argparse.Namespace, words: list[str], actor: Actor
) -> int:
    """Take back one action of the audit log."""
    if len(words) > 1:
        raise UsageError("undo: give one ACTION, or ids, not both")
    if args.dry_run:
        raise UsageError("undo: --dry-run is for ids, --filter and ALL")
    with stop_on_interrupt() as stopped:
        done = verbs.undo(
            spool, words[0], actor=actor, reason=args.reason, stop=stopped
        )
        if isinstance(done, str):
            tell_pausing(args, f"took back {words[0]}", done)
            return ExitCode.OK
        return carry_out(args, done)


@contextmanager
def stop_on_interrupt() -> Iterator[Callable[[], bool]]:
    """Let the first interrupt stop between messages, the second at once."""
    hits: list[int] = []

    def interrupted(number: int, _frame: object) -> None:
        hits.append(number)
        if len(hits) > 1:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupted)
    try:
        yield lambda: bool(hits)
    finally:
        signal.signal(signal.SIGINT, before)

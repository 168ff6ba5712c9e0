"""What the operator commands print: the set, the answers, their sum."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING

from tuiq.actions.json_text import json_line, text
from tuiq.actions.preview import REASONS_SHOWN, preview, report
from tuiq.actions.records import list_actions
from tuiq.actions.verbs import CARDS
from tuiq.actions.words import instant
from tuiq.cli.diagnostics import ExitCode
from tuiq.log import printable
from tuiq.spool.answers import Answer, Result, Verb

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from tuiq.actions.records import Record
    from tuiq.actions.selection import Selection
    from tuiq.actions.verbs import Act


def nothing_meant(args: argparse.Namespace, selection: Selection) -> int:
    """Say that there is nothing to do."""
    if args.json:
        print(json_line({"verb": args.command, "scope": selection.scope, "acted": 0}))
    else:
        print(f"no message is meant by {printable(selection.scope)}")
    return ExitCode.OK


def show(
    args: argparse.Namespace, verb: Verb, selection: Selection, now: float
) -> None:
    """Print the frozen set."""
    if not args.json:
        print(*preview(verb, selection, now=now), sep="\n")
        return
    value = {
        "verb": verb.value,
        "scope": selection.scope,
        "filter": selection.filter,
        "messages": selection.count,
        "recipients": selection.recipients,
        "bytes": selection.size,
        "oldest": selection.oldest,
        "domains": {text(domain): count for domain, count in selection.domains},
        "ids": [item.target.queue_id for item in selection.items],
        "gone": list(selection.gone),
    }
    print(json_line(value))


_LATE = (Result.IN_FLIGHT, Result.REFUSED)


def carry_out(args: argparse.Namespace, act: Act) -> int:
    """Do it, print the answers or their sum; return the exit status."""
    counts: Counter[Result] = Counter()
    reasons: list[Answer] = []
    for answer in act.answers:
        counts[answer.result] += 1
        if args.json:
            print(json_line(_as_json(answer)))
        elif answer.result in _LATE and len(reasons) < REASONS_SHOWN:
            reasons.append(answer)
    stopped = counts.total() < act.count
    if args.json:
        print(json_line(_summary(act, counts)))
    else:
        print(*report(act.verb, counts, reasons, asked=act.count), sep="\n")
        print(_farewell(act, counts))
    late = any(counts[result] for result in _LATE)
    return ExitCode.TEMPFAIL if late or stopped else ExitCode.OK


def _farewell(act: Act, counts: Counter[Result]) -> str:
    undoable = not CARDS[act.verb].no_undo
    if undoable and counts[Result.ACTED] + counts[Result.IN_FLIGHT]:
        return f"take it back with: tuiq undo {act.action}"
    return f"written down as action {act.action}"


def _as_json(answer: Answer) -> dict[str, object]:
    slots = answer.target.recipients
    return {
        "id": answer.target.queue_id,
        "recipients": None if slots is None else [index + 1 for index in slots],
        "result": answer.result.value,
        "text": printable(answer.text),
        "changed": [index + 1 for index in answer.changed],
    }


def _summary(act: Act, counts: Counter[Result]) -> dict[str, object]:
    return {
        "action": act.action,
        "verb": act.verb.value,
        "acted": counts[Result.ACTED],
        "gone": counts[Result.GONE],
        "in_flight": counts[Result.IN_FLIGHT],
        "refused": counts[Result.REFUSED],
        "not_touched": act.count - counts.total(),
    }


_LISTED = 10


def list_undoable(directory: Path) -> None:
    """Print the last actions that can still be taken back, newest first."""
    listed = list(islice(filter(_is_undoable, list_actions(directory)), _LISTED))
    for record in listed:
        start = record.start
        said = f"{start.verb} {start.scope}, by {start.actor.who}"
        print(f"{start.action}  {instant(start.at)}  {printable(said)}")
    print(
        "take one back with: tuiq undo ACTION"
        if listed
        else "there is no action that could be taken back"
    )


def _is_undoable(record: Record) -> bool:
    final = {card.verb.value for card in CARDS.values() if card.no_undo}
    return not record.undone_by and record.start.verb not in final

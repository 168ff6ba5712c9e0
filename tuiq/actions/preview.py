"""What a person reads before agreeing to an action, and after it.

Pure: values in, escaped lines out; shared by the command line and the UI.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tuiq.actions.selection import affected
from tuiq.actions.verbs import CARDS
from tuiq.actions.words import age, instant, plural, span, volume
from tuiq.log import printable
from tuiq.spool.answers import Answer, Result, Verb

if TYPE_CHECKING:
    from tuiq.actions.selection import Selection
    from tuiq.spool.entry import QueueEntry

REASONS_SHOWN = 3
_ADDRESS_WIDTH = 40
_REPLY_WIDTH = 60


def preview(verb: Verb, selection: Selection, *, now: float) -> Iterator[str]:
    """Yield the lines that say what *verb* is about to be done to."""
    card = CARDS[verb]
    yield f"{card.verb}: {card.gloss}"
    yield f"  scope    {printable(selection.scope)}"
    recipients = plural(selection.recipients, "recipient")
    messages = plural(selection.count, "message")
    yield f"  messages {messages}, {volume(selection.size)}, {recipients}"
    if selection.gone:
        yield f"  gone     {', '.join(selection.gone)}"
    if selection.oldest is not None:
        since = f"{span(now - selection.oldest)}, since {instant(selection.oldest)}"
        yield f"  oldest   {since}"
        yield f"  domains  {_domains(selection)}"
    for title, pick in zip(("samples", "", ""), selection.samples, strict=False):
        yield f"  {title:8} {sample(*pick, now=now)}"
    if card.no_undo:
        yield f"  no undo  {card.no_undo}"


def _domains(selection: Selection) -> str:
    shown = [
        f"{printable(domain) or '(none)'} {count:,}"
        for domain, count in selection.domains
    ]
    more = selection.domain_count - len(shown)
    return ", ".join([*shown, f"{more:,} more"] if more > 0 else shown)


def sample(entry: QueueEntry, slots: tuple[int, ...] | None, *, now: float) -> str:
    """Return one message on one line: id, age, who to whom, the last reply."""
    views = affected(entry, slots)
    first = (
        _cut(printable(views[0].address), _ADDRESS_WIDTH) if views else "(unreadable)"
    )
    more = f" +{len(views) - 1}" if len(views) > 1 else ""
    sender = _cut(printable(entry.sender), _ADDRESS_WIDTH)
    reply = _cut(printable(entry.last_reply), _REPLY_WIDTH)
    told = f"  ({reply})" if reply else ""
    since = age(now - entry.birth)
    return f"{entry.queue_id} {since:>6} <{sender}> -> {first}{more}{told}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def report(
    verb: Verb, counts: Counter[Result], reasons: Sequence[Answer], *, asked: int
) -> Iterator[str]:
    """Yield the lines that say how *verb* went; *asked* counts its targets.

    *reasons* are the first answers that were not what was asked for.
    """
    words = [f"{CARDS[verb].past} {plural(counts[Result.ACTED], 'message')}"]
    others = (Result.GONE, Result.IN_FLIGHT, Result.REFUSED)
    words += [f"{counts[result]:,} {result}" for result in others if counts[result]]
    left = asked - counts.total()
    if left > 0:
        words.append(f"stopped, {left:,} not touched")
    yield ", ".join(words)
    for answer in reasons:
        queue_id = answer.target.queue_id
        text = printable(answer.text)
        if not text.startswith(queue_id):
            text = f"{printable(queue_id)}: {text}"
        yield f"  {answer.result}  {text}"
    more = counts[Result.IN_FLIGHT] + counts[Result.REFUSED] - len(reasons)
    if more > 0:
        yield f"  and {more:,} more; the audit log has them all"

"""What takes an action back, worked out from its audit log alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tuiq.actions.records import key_of
from tuiq.actions.slots import decode_slots
from tuiq.spool.answers import Answer, Result, Target, Verb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tuiq.actions.items import Item
    from tuiq.actions.records import Record

_TOUCHED = (Result.ACTED, Result.IN_FLIGHT)


def plan(record: Record) -> tuple[Verb, tuple[Item, ...]]:
    """Return the verb and the items that reverse what *record* says was changed."""
    verb, reverse = _REVERSES[Verb(record.start.verb)]
    items = []
    for answer in record.answers:
        item = record.items.get(key_of(answer.target))
        if item is not None and answer.result in _TOUCHED:
            items += [replace(item, target=target) for target in reverse(item, answer)]
    return verb, tuple(items)


def _restore(item: Item, answer: Answer) -> Iterator[Target]:
    """Yield the slots that were cancelled, or that their holder will cancel."""
    slots = answer.changed
    if answer.result is Result.IN_FLIGHT or not slots:
        meant = item.target.recipients
        unsettled = decode_slots(item.unsettled)
        slots = tuple(i for i in unsettled if meant is None or i in meant)
    if slots:
        yield replace(item.target, recipients=slots)


def _unhold(item: Item, _answer: Answer) -> Iterator[Target]:
    """Yield what was not held before."""
    meant = item.target.recipients
    if meant is None:
        if not item.hold:
            yield item.target
        return
    slots = tuple(sorted(set(meant) - set(decode_slots(item.held))))
    if slots:
        yield replace(item.target, recipients=slots)


def _hold(item: Item, _answer: Answer) -> Iterator[Target]:
    """Yield what was held before: the message, and single recipients."""
    meant = item.target.recipients
    if item.hold and meant is None:
        yield item.target
    held = decode_slots(item.held)
    slots = tuple(i for i in held if meant is None or i in meant)
    if slots:
        yield replace(item.target, recipients=slots)


_REVERSES: dict[Verb, tuple[Verb, Callable[[Item, Answer], Iterator[Target]]]] = {
    Verb.DELETE: (Verb.UNDO, _restore),
    Verb.DELIVERED: (Verb.UNDO, _restore),
    Verb.HOLD: (Verb.UNHOLD, _unhold),
    Verb.RELEASE: (Verb.HOLD, _hold),
    Verb.UNHOLD: (Verb.HOLD, lambda item, _answer: iter((item.target,))),
}
"""Verb -> what reverses it, and on which recipients."""

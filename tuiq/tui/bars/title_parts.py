"""What the title says besides where you are; loaded once there is something to say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiq.actions.words import countdown, plural, span
from tuiq.spool.entry import State
from tuiq.tui.bars.parts import Part, Span, Spans, part
from tuiq.tui.index.feed import FeedState, Freshness
from tuiq.tui.look.roles import Role
from tuiq.tui.look.text import clean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuiq.actions.circumstances import Circumstances
    from tuiq.spool.pauses import Pause
    from tuiq.tui.stillness import Frozen
    from tuiq.tui.world import World

_LATE = 900
"""Seconds after which the age of the last full list is worth saying."""
_TOTALS = (
    ("act", State.ACTIVE, Role.ACTIVE, 10),
    ("due", State.DUE, Role.DUE, 16),
    ("def", State.DEFERRED, Role.DEFERRED, 11),
    ("hold", State.HELD, Role.HELD, 12),
    ("paused", State.PAUSED, Role.PAUSED, 17),
    ("doubt", State.DOUBT, Role.DOUBT, 9),
    ("failed", State.FAILED, Role.FAILED, 13),
    ("damaged", State.DAMAGED, Role.DAMAGED, 13),
    ("trash", State.TRASHED, Role.DIM, 20),
)
_ALWAYS = frozenset({State.ACTIVE, State.DEFERRED, State.HELD})
"""Said even when there are none."""


def facts(
    world: World, frozen: Frozen | None, troubles: str
) -> tuple[list[Part], list[Part]]:
    """Return what is said after the place, and what at the end of the line."""
    now = world.clock.now()
    around = world.lookout.sight.around
    fresh = fresh_part(world.feed.state, frozen, now)
    return (
        [fresh, *pause_parts(around.pauses.spool, now), *trouble_parts(troubles)],
        [
            runner_part(around, world.runner.word),
            *total_parts(world.messages.tally(), world.messages.count),
        ],
    )


def fresh_part(state: FeedState, frozen: Frozen | None, now: float) -> Part:
    """Return how far the lists can be relied on."""
    if frozen is not None:
        since = span(now - frozen.since)
        count = frozen.changes
        changes = "many changes" if count is None else plural(count, "change")
        number = changes.partition(" ")[0]
        return part(
            (f"❄ frozen {since}, {changes} waiting", Role.INFO),
            (f"❄ frozen {since}, {number} waiting", Role.INFO),
            (f"❄ frozen {since}", Role.INFO),
            (f"❄ {since}", Role.INFO),
            rank=15,
        )
    backlog = f", {state.backlog:,} behind" if state.backlog > 1 else ""
    match state.freshness:
        case Freshness.SCANNING:
            return _scanning(state)
        case Freshness.POLLING:
            every = f"{state.interval:.0f} s" if state.interval else ""
            short = f"○ poll {every}".rstrip()
            long = f"{short}: {clean(state.polled)}" if state.polled else short
            return part(
                (long + backlog, Role.INFO),
                (long, Role.INFO),
                (short, Role.INFO),
                rank=15,
            )
        case Freshness.STALE:
            looked = (
                f", listed {span(now - state.scanned)} ago"
                if state.scanned and now - state.scanned > _LATE
                else ""
            )
            long = f"⚠ stale{backlog or looked}"
            return part((long, Role.WARN), ("⚠ stale", Role.WARN), rank=15)
        case Freshness.LIVE:
            return part(("● live" + backlog, Role.GOOD), ("● live", Role.GOOD), rank=3)


def _scanning(state: FeedState) -> Part:
    if state.share > 0.0:
        short = f"◐ rescan {state.share * 100:.0f} %"
    else:
        short = f"◐ scan {state.read:,}"
    long = f"{short}, {state.read:,} read" if state.share and state.read else short
    return part((long, Role.INFO), (short, Role.INFO), rank=15)


def pause_parts(pause: Pause | None, now: float) -> list[Part]:
    """Return that the whole spool stands still, who said so, and how long."""
    if pause is None:
        return []
    who = f" by {clean(pause.who)}" if pause.who else ""
    left = f"{countdown(pause.until - now)} left" if pause.until else "until resumed"
    why = f": {clean(pause.reason)}" if pause.reason else ""
    warn = Role.PAUSED
    return [
        part(
            (f"⏸ paused{who}, {left}{why}", warn),
            (f"⏸ paused{who}, {left}", warn),
            (f"⏸ paused, {left}", warn),
            ("⏸ paused", warn),
            rank=14,
        )
    ]


def trouble_parts(troubles: str) -> list[Part]:
    """Return that there is something to read; *troubles* says how much and where."""
    if not troubles:
        return []
    return [part((f"⚠ {troubles}", Role.WARN), ("⚠", Role.WARN), rank=14)]


def runner_part(around: Circumstances, word: str) -> Part:
    """Return who delivers: connections in use and allowed, or why nobody does."""
    if word in ("starting", "draining"):
        return part((f"runner {word}", Role.WARN), (word, Role.WARN), rank=18)
    alive = around.alive
    if not alive:
        # A status without its runner: whoever ends in order takes it away.
        short, role = ("died", Role.BAD) if around.runners else ("none", Role.WARN)
        forms = [(f"runner ■ {short}", role), (f"■ {short}", role)]
        if word not in ("", "running"):
            forms.insert(0, (f"runner ■ none ({clean(word)})", role))
        return part(*forms, rank=18)
    if all(runner.phase == "draining" for runner in alive):
        return part(("runner ⏸ draining", Role.WARN), ("⏸ drain", Role.WARN), rank=18)
    used = len(around.connections())
    limits = [d.limit for runner in alive for d in runner.destinations]
    said = f"▶ {used}/{sum(limits)}" if limits else f"▶ {used}"
    return part((f"runner {said}", Role.GOOD), (said, Role.GOOD), rank=18)


def total_parts(tally: Mapping[State, int], count: int) -> list[Part]:
    """Return the number of live messages, and how many are in which state.

    *count* is the number of all; the trash is a number of its own.
    """
    live = count - tally.get(State.TRASHED, 0)
    parts = [part(_total("q", live, Role.STRONG), rank=0)]
    for word, state, role, rank in _TOTALS:
        number = tally.get(state, 0)
        if number or state in _ALWAYS:
            parts.append(part(_total(word, number, role), None, rank=rank))
    return parts


def _total(word: str, number: int, role: Role) -> Spans:
    shown: Span = (f"{number:,}", role if number else Role.DIM)
    return ((f"{word} ", Role.DIM), shown)

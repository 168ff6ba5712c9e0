"""What the queue is going to do, in words: when it is empty, what comes due."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tuiq.actions.words import plural, span
from tuiq.spool.census import STANDING
from tuiq.tui.look.roles import Role
from tuiq.tui.pages.figures import rate

if TYPE_CHECKING:
    from tuiq.tui.index.messages import Forecast
    from tuiq.tui.pages.lines import Line
    from tuiq.tui.world import World

LOOK_BACK = 60
"""Seconds whose rates stand for those to come."""
_STEADY = 0.1
"""Share of the traffic that a difference may be by chance: it tells of no end."""
_ENOUGH = 10
"""Seconds that must have been looked at."""


def outlook(world: World, now: float) -> list[Line]:
    """Return two lines: on the queue as a whole, and on single tries."""
    tally = world.messages.tally()
    line = drain(
        sum(count for state, count in tally.items() if state not in STANDING),
        world.lookout.history("in", LOOK_BACK),
        world.lookout.history("out", LOOK_BACK),
        is_served=bool(world.lookout.sight.around.alive),
    )
    lifetime = world.config.retry.lifetime
    forecast = world.messages.forecast(now=now, lifetime=lifetime)
    role = Role.WARN if forecast.expiring_24h else Role.DIM
    return [
        [(f" {expiring(forecast)}", role), (f" · {line}", Role.TEXT)],
        [(f" {due(forecast)}", Role.DIM)],
    ]


def drain(
    moving: int, came: Sequence[float], left: Sequence[float], *, is_served: bool
) -> str:
    """Say when the queue is empty if all goes on as in the last minute.

    *came* and *left* are messages a second, one value for each second.
    """
    if not moving:
        return "nothing waits to leave"
    if not is_served:
        return f"{plural(moving, 'message')} on the way, no runner is running"
    if len(left) < _ENOUGH:
        return "how fast mail leaves is being measured"
    per_second = sum(left) / len(left), sum(came) / len(came)
    out, into = per_second
    pace = f"{rate(into)}/s in, {rate(out)}/s out"
    if abs(out - into) <= _STEADY * max(out, into):
        return f"neither grows nor shrinks: {pace}"
    if out < into:
        return f"never empty at this rate: {pace}"
    return f"empty in {span(moving / (out - into))} at this rate: {pace}"


def due(forecast: Forecast) -> str:
    """Say how many tries come due, and what expires."""
    return (
        f"tries due: {forecast.due_now:,} now, {forecast.due_5m:,} in 5 min, "
        f"{forecast.due_15m:,} in 15 min, {forecast.due_60m:,} in 60 min"
    )


def expiring(forecast: Forecast) -> str:
    """Say how many messages are given up soon."""
    return f"{plural(forecast.expiring_24h, 'message')} expire within 24 h".replace(
        "message expire", "message expires"
    )

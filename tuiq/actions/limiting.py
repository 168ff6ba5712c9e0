"""Changing the limits of a runner that is at work; ``tuiq.toml`` stays as it is."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

from tuiq.actions.audit import Start
from tuiq.actions.pausing import logged
from tuiq.errors import SpoolUnavailable, UsageError
from tuiq.spool.limits import (
    HIGHEST,
    Limits,
    clear_limits,
    read_limits,
    write_limits,
)
from tuiq.spool.status import own_pid_namespace, read_statuses

if TYPE_CHECKING:
    from tuiq.actions.actor import Actor
    from tuiq.spool import Spool
    from tuiq.spool.status import RunnerStatus

VERB = "limits"


def limits_now(spool: Spool) -> Limits:
    """Return the limits in force: those that were changed, else the configured."""
    delivery = spool.config.delivery
    return read_limits(spool.fs, spool.run_fd) or Limits(
        concurrency=delivery.concurrency,
        initial_concurrency=delivery.initial_concurrency,
    )


def set_limits(
    spool: Spool,
    limits: Limits | None,
    *,
    actor: Actor,
    reason: str = "",
    undoes: str = "",
) -> str:
    """Let the living runner go by *limits*, None: by its file; return the action's id.

    Raises UsageError for numbers that cannot be, SpoolUnavailable when there is no
    runner that could be told.
    """
    if limits is not None:
        _check(limits)
    runner = _runner(spool)
    before = read_limits(spool.fs, spool.run_fd)
    details = {"limits": _numbers(limits), "was": _numbers(before)}
    start = Start(
        verb=VERB,
        actor=actor,
        scope=f"runner pid {runner.pid}",
        reason=reason,
        undoes=undoes,
        details=details,
    )
    with logged(spool, start) as action:
        if limits is None:
            clear_limits(spool.fs, spool.run_fd)
        else:
            now = int(spool.clock.now())
            written = replace(limits, who=actor.who, since=now)
            write_limits(spool.fs, spool.run_fd, written)
        _tell(runner)
    return action


def undo_limits(spool: Spool, start: Start, *, actor: Actor, reason: str = "") -> str:
    """Set the limits that were in force before; return the new action's id."""
    was = start.details["was"]
    limits = None
    if was is not None:
        limits = Limits(concurrency=was[0], initial_concurrency=was[1])
    return set_limits(spool, limits, actor=actor, reason=reason, undoes=start.action)


def _numbers(limits: Limits | None) -> list[int] | None:
    if limits is None:
        return None
    return [limits.concurrency, limits.initial_concurrency]


def _check(limits: Limits) -> None:
    for value in (limits.concurrency, limits.initial_concurrency):
        if not 1 <= value <= HIGHEST:
            raise UsageError(f"limits: {value} is not between 1 and {HIGHEST}")
    if limits.initial_concurrency > limits.concurrency:
        raise UsageError(
            "limits: there cannot be more connections at first "
            f"({limits.initial_concurrency}) than at most ({limits.concurrency})"
        )


def _runner(spool: Spool) -> RunnerStatus:
    """Return the runner that can be told; raise SpoolUnavailable."""
    for status in read_statuses(spool.path):
        if status.name != "supervisor" or not status.alive or not status.written:
            continue  # before its first status, a HUP would end it
        if status.pid_namespace in (0, own_pid_namespace()):
            return status
        raise SpoolUnavailable(
            "limits: the runner lives in another container; change tuiq.toml there "
            "and send it a HUP"
        )
    raise SpoolUnavailable(
        "limits: no runner is alive whose limits could change; a new one begins by "
        "tuiq.toml"
    )


def _tell(runner: RunnerStatus) -> None:
    try:
        os.kill(runner.pid, signal.SIGHUP)
    except OSError as error:
        raise SpoolUnavailable(
            f"limits: pid {runner.pid} cannot be told ({error.strerror}); let its "
            f"owner do kill -HUP {runner.pid}"
        ) from None

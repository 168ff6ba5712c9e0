"""Opening the UI on a spool, and what is left to do once it is closed.

Nothing of Textual is loaded here before it is known that there is a terminal for it,
and nothing of the queue is read before there is something on the screen.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tuiq.actions.actor import Actor
from tuiq.errors import UsageError
from tuiq.spool import open_spool
from tuiq.tui import choices
from tuiq.tui.look.colours import Colours, decide, prepare
from tuiq.tui.troubles import Troubles, default_log
from tuiq.tui.world import Options, World

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    from tuiq.config import Config
    from tuiq.spool.spool import Spool
    from tuiq.tui.app import TuiqApp

_SOFTWARE = 70
_FAILED = 1
"""What Textual returns after a fault."""
_JOBS_END = 10.0
"""Seconds for the messages that jobs are at work on; each takes milliseconds."""
_QUIET = {
    "TEXTUAL_ANIMATIONS": "none",
    "TEXTUAL_SMOOTH_SCROLL": "0",
}
"""Bytes that slow lines are spared; set before Textual is loaded, which asks once."""
_SLOW_TICK = 1.0


def run(config: Config, options: Options | None = None) -> int:
    """Show the spool of *config* until the operator leaves; return the exit status."""
    options = options or Options()
    if why := unfit(os.environ):
        raise UsageError(why)
    actor = Actor.caller()  # before a root process becomes the queue user
    chosen = choices.load(choices.place())
    log = default_log()
    colours = dress(os.environ, options)
    if options.low_bandwidth:
        options = replace(options, tick=max(options.tick, _SLOW_TICK))
    options = replace(options, colours=colours.depth, ascii=colours.ascii)
    gc.disable()  # until the first paint: nothing of what is loaded is garbage
    with open_spool(config) as spool:
        world = make_world(spool, actor, chosen, options)
        try:
            return _show(world, colours, Troubles(log))
        finally:
            _end(world)


def unfit(environ: Mapping[str, str]) -> str:
    """Return why there is no terminal for the UI, and what answers without one."""
    answers = "tuiq mailq lists the queue and tuiq status --watch follows it in lines"
    if not (sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()):
        return f"the UI needs a terminal on stdin, stdout and stderr; {answers}"
    if environ.get("TERM", "") in ("", "dumb", "unknown"):
        term = environ.get("TERM", "") or "empty"
        return f"TERM is {term}: a terminal that cannot place a cursor; {answers}"
    return ""


def dress(environ: MutableMapping[str, str], options: Options) -> Colours:
    """Tell Textual, not loaded yet, how to draw here; return with what colours."""
    for name, value in _QUIET.items():
        environ.setdefault(name, value)
    colours = decide(
        environ,
        theme=options.theme,
        ascii=options.ascii,
        low_bandwidth=options.low_bandwidth,
    )
    prepare(environ, colours)
    return colours


def make_world(
    spool: Spool, actor: Actor, chosen: choices.Choices, options: Options
) -> World:
    """Return the world without the parts that ``complete`` adds."""
    missing: Any = None
    return World(
        config=spool.config,
        spool=spool,
        clock=spool.clock,
        actor=actor,
        messages=missing,
        feed=missing,
        lookout=missing,
        jobs=missing,
        runner=missing,
        choices=chosen,
        options=options,
    )


def complete(world: World) -> None:
    """Add the parts that take long to load, none of which moves yet."""
    from tuiq.tui.index.feed import Feed
    from tuiq.tui.index.messages import Messages
    from tuiq.tui.live.lookout import Lookout
    from tuiq.tui.operate.jobs import Jobs
    from tuiq.tui.operate.runner import RunnerControl

    world.messages = Messages()
    world.feed = Feed(world.spool, world.messages)
    world.lookout = Lookout(world.spool)
    world.jobs = Jobs(world.spool, world.actor)
    world.runner = RunnerControl(world.config)


def _show(world: World, colours: Colours, troubles: Troubles) -> int:
    app = make_app(world, colours, troubles)
    app.run(mouse=world.options.mouse)
    if app.return_code == _FAILED:
        return _SOFTWARE
    return _status(app.return_code or 0)


def make_app(world: World, colours: Colours, troubles: Troubles) -> TuiqApp:
    """Return the application, dressed for a terminal with *colours*."""
    from tuiq.tui.app import TuiqApp
    from tuiq.tui.driver import TerminalDriver
    from tuiq.tui.look.appearance import Appearance
    from tuiq.tui.look.themes import collect, folder

    own = choices.place().parent / "themes"
    return TuiqApp(
        world,
        appearance=Appearance(
            collection=collect(folder(), own), depth=colours.depth, ascii=colours.ascii
        ),
        troubles=troubles,
        late=lambda: complete(world),
        driver_class=TerminalDriver,
    )


def _status(code: int) -> int:
    """Return the exit status: being told to end is no failure, losing the line is."""
    return 0 if code == 128 + signal.SIGTERM else code


def _end(world: World) -> None:
    """Stop what moves; say what goes on without the UI."""
    gc.enable()
    if world.runner is None:
        return  # left before it was complete
    world.feed.stop()
    world.lookout.stop()
    told = []
    if not world.jobs.close(_JOBS_END):
        told.append("an action is still at work on a message; it ends with it")
    left = world.runner.pid
    world.runner.close()
    if left is not None:
        word = "goes on" if world.runner.is_left else "drains and exits"
        told.append(f"the runner (pid {left}) {word}; tuiq status tells of it")
    with suppress(OSError, ValueError):  # the terminal may have gone
        for sentence in told:
            print(f"tuiq: {sentence}")

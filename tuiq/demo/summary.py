"""The last words of ``tuiq demo``: what became of the mail, and what to do next."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from tuiq.actions.words import plural
from tuiq.demo.ledger import Fate
from tuiq.demo.scene import export
from tuiq.log import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiq.demo.ledger import Truth
    from tuiq.demo.scene import Ending, Scene


def summary(scene: Scene, ending: Ending) -> Iterator[str]:
    """Yield the lines of the summary."""
    yield f"{_how(scene, ending)} after {scene.elapsed:.0f} s:"
    yield ""
    for count, text in _figures(scene):
        yield f"  {count:>7,}  {text}"
    yield ""
    yield from _verdict(ending.truth)
    yield ""
    yield from _kept(scene) if scene.kept else _gone(scene)


def _how(scene: Scene, ending: Ending) -> str:
    if ending.settled:
        return "All that was due is settled"
    left = scene.ledger.recipients - scene.ledger.settled
    return f"Ended with {plural(left, 'recipient')} not settled"


def _figures(scene: Scene) -> Iterator[tuple[int, str]]:
    totals, ledger, census = scene.ledger.totals, scene.ledger, scene.census
    messages = plural(len(ledger.messages), "message")
    yield ledger.recipients, f"recipients of {messages}, bounces included"
    doubted = sum(slot.doubted for slot in ledger.slots.values()) - totals[Fate.DOUBT]
    figures = (
        (totals[Fate.DELIVERED], "delivered"),
        (totals[Fate.DEFERRED], "still deferred, to be tried again"),
        (totals[Fate.FAILED], "failed; their senders are told"),
        (totals[Fate.DOUBT], "in doubt just now"),
        (doubted, "were in doubt: the server hung up after the final dot"),
        (len(census.held), "held by an operator"),
        (len(census.trashed), "in the trash, from where undo brings it back"),
    )
    yield from ((count, text) for count, text in figures if count)


def _verdict(truth: Truth) -> Iterator[str]:
    """Compare the books with what the server took."""
    if truth.lost:
        yield f"{truth.lost} called delivered that the server never took: a fault"
    else:
        yield "The server's books agree: whatever is called delivered arrived."
    if truth.unnamed:
        yield f"{truth.unnamed} arrived twice without being called in doubt: a fault"
    elif truth.twice:
        yield (
            f"{truth.twice} arrived twice, every one of them named beforehand as a "
            "possible duplicate."
        )
    else:
        yield "Nothing arrived twice."


def _kept(scene: Scene) -> Iterator[str]:
    """Tell what can be done with the spool that stays."""
    yield "The spool is yours to look at (its server is gone):"
    yield ""
    yield f"  {export(scene)}"
    yield from (f"  {line}" for line in commands(scene))
    yield f"  rm -r {printable(shlex.quote(str(scene.directory)))}"


def commands(scene: Scene) -> Iterator[str]:
    """Yield commands that show something in this very spool."""
    tuiq, census = printable(scene.command), scene.census
    yield f"{tuiq} mailq"
    if census.deferred:
        yield f"{tuiq} why {census.deferred[0]}"
        yield f"{tuiq} show {census.deferred[0]}"
    if census.held:
        yield f"{tuiq} release {census.held[0]}"
    if census.trashed:
        yield f"{tuiq} undo {census.trashed[0]}"
    yield f"{tuiq} trace cfo@startup.example"
    yield f"{tuiq} domains"


def _gone(scene: Scene) -> Iterator[str]:
    """Tell what to do next."""
    tuiq = printable(scene.command)
    yield "The spool, the server and the runner are gone again. Next:"
    yield ""
    if scene.staged:
        steps = {f"{tuiq} demo --plain": "half a minute of the same, told in lines"}
    else:
        steps = {
            f"{tuiq} demo": "the same in the UI, on a terminal",
            f"{tuiq} demo --plain --seconds 600": "longer, to look around meanwhile",
        }
    steps |= {
        f"{tuiq} demo --keep DIR": "leave the spool in DIR",
        f"{tuiq} init DIR": "the real thing",
    }
    width = max(map(len, steps))
    yield from (f"  {step:<{width}}   {about}" for step, about in steps.items())

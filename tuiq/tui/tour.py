"""The guided tour: two minutes over the real keys, on whatever is in the queue.

Each step names a key and waits until its command was done; nothing is played back or
faked, and what the tour has the operator do can be undone by the next step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to try."""

    text: str
    """What to press and what to look at; ``{command-id}`` stands for its key."""
    until: frozenset[str]
    """Commands of which any takes the tour on; empty: only ``tour-next`` does."""
    acts: bool = False
    """Whether it changes the queue: left out where that is not allowed."""


def _step(text: str, *until: str, acts: bool = False) -> Step:
    return Step(text=text, until=frozenset(until), acts=acts)


STEPS = (
    _step(
        "Welcome. This tour waits for you: press what it names, look, go on. "
        "{tour-next} skips a step, {tour-end} ends the tour. Now go down: {down}",
        "down",
    ),
    _step("The pane below tells of the row. Why is it not moving? {why}", "why"),
    _step("{back} goes back; it always does.", "back"),
    _step("Everything about this message, in one view: {open}", "open"),
    _step("Look around in it, then come back: {back}", "back"),
    _step(
        "Narrow the list: {filter}, type  tries>0  and press Enter. Words are sought "
        "in ids, addresses and replies; Tab completes.",
        "filter",
    ),
    _step("Mark this row: {mark}. The line below counts marks.", "mark", "mark-all"),
    _step(
        "Hold what is marked: {hold}. The line above the keys offers to undo it.",
        "hold",
        acts=True,
    ),
    _step("Take it back: {undo}", "undo", acts=True),
    _step(
        "Everything again: {filter-toggle} switches the filter off and on, "
        "{filter-clear} clears it.",
        "filter-toggle",
        "filter-clear",
    ),
    _step("Where does mail pile up, and since when? {go-shape}", "go-shape"),
    _step(
        "The number tells how many recipients of a domain are how old. Choose one "
        "with the arrows and open it: {open}",
        "open",
    ),
    _step("Who works on what, and how fast? {go-runner}", "go-runner"),
    _step("Each directory, its disk and its rates: {go-queues}", "go-queues"),
    _step("Everything that was done, you and others: {go-activity}", "go-activity"),
    _step("Anything by its name, actions and screens too: {palette}", "palette"),
    _step("The keys of any screen: {help}. That is all; {quit} leaves tuiq.", "help"),
)


class Tour:
    """Where in the tour somebody is; pure."""

    def __init__(
        self, *, may_act: bool, key_of: Callable[[str], str] = lambda name: name
    ) -> None:
        """Begin; *key_of* gives the key of a command as people read it."""
        self._steps = [step for step in STEPS if may_act or not step.acts]
        self._key_of = key_of
        self._at = 0

    @property
    def is_over(self) -> bool:
        """Say whether every step was taken."""
        return self._at >= len(self._steps)

    @property
    def line(self) -> str:
        """Return what to do now, with how far the tour is; empty when it is over."""
        if self.is_over:
            return ""
        text = self._steps[self._at].text
        for command in _named(text):
            text = text.replace(f"{{{command}}}", f"[{self._key_of(command)}]")
        return f"Tour {self._at + 1}/{len(self._steps)}  {text}"

    def performed(self, command: str) -> bool:
        """Take note that a command was done; say whether the line changed."""
        if self.is_over:
            return False
        if command == "tour-end":
            self._at = len(self._steps)
            return True
        if command != "tour-next" and command not in self._steps[self._at].until:
            return False
        self._at += 1
        return True


def _named(text: str) -> list[str]:
    """Return the commands that a step's text names."""
    return [part.partition("}")[0] for part in text.split("{")[1:]]

"""Pausing and resuming: one dialog, or none where one key will do."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Input, Static

from tuiq.actions import pausing
from tuiq.actions.filter_terms import parse_duration
from tuiq.actions.words import instant, span
from tuiq.errors import UsageError
from tuiq.spool.answers import Result
from tuiq.spool.pauses import Scope, file_name
from tuiq.tui.dialog import Dialog
from tuiq.tui.operate.choose import Choose, numbered
from tuiq.tui.operate.confirm import Confirm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from tuiq.actions.pausing import Place
    from tuiq.spool.pauses import Pause, PauseSet
    from tuiq.tui.operate.job import Job, Then
    from tuiq.tui.page import Page
    from tuiq.tui.shell import Shell

MORNING = 8
"""The hour at which somebody is there again."""
_SPANS = (("15 min", 900), ("1 h", 3600), ("4 h", 14_400))
_OTHER, _ENDLESS = 4, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A pause that somebody wants."""

    place: Place
    until: int
    """Epoch seconds; 0: until somebody resumes it."""
    reason: str


def morning(now: float) -> int:
    """Return when it is next eight o'clock, local time, in epoch seconds."""
    today = time.localtime(now)
    at = (today.tm_year, today.tm_mon, today.tm_mday, MORNING, 0, 0, 0, 0, -1)
    found = time.mktime(at)
    if found <= now:
        later = (at[0], at[1], at[2] + 1, *at[3:])
        found = time.mktime(later)
    return int(found)


class PauseDialog(Dialog[Wish]):
    """Asks what to pause, until when, and why."""

    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "by(1)", show=False),
        Binding("up,k", "by(-1)", show=False),
        Binding("right,l", "place(1)", show=False),
        Binding("left,h", "place(-1)", show=False),
        Binding("enter", "next", show=False),
        *(Binding(str(n + 1), f"choose({n})", show=False) for n in range(6)),
    ]

    def __init__(self, places: Sequence[Place], *, now: float) -> None:
        """Offer *places*, the likeliest first."""
        self._places = places
        self._now = now
        self._place = 0
        self._chosen = 0
        hints = [("up", "how long"), ("enter", "goes on"), ("escape", "leaves")]
        if len(places) > 1:
            hints.insert(0, ("right", "what"))
        super().__init__("Pause: start no attempts", hints=hints)

    def body(self) -> ComposeResult:
        """Show the choices, and where to write."""
        yield Static(self._text(), markup=False, id="choices")
        other = Input(placeholder="90s, 30m, 2h, 3d …", id="span")
        other.display = False  # before it is wanted
        yield other
        yield Static("Why (others read it; Enter pauses):", id="why")
        yield Input(max_length=200, id="reason")

    def _text(self) -> str:
        at = time.strftime("%a %H:%M", time.localtime(morning(self._now)))
        labels = [label for label, _ in _SPANS]
        labels += [f"until {at}", "another time", "no end: until somebody resumes it"]
        place = f"What  {self._places[self._place]}{self._more()}"
        return f"{place}\n\n{numbered(labels, self._chosen)}"

    def _more(self) -> str:
        count = len(self._places)
        return f"  ({self._place + 1} of {count})" if count > 1 else ""

    def action_by(self, by: int) -> None:
        """Go to another time."""
        self.action_choose((self._chosen + by) % 6)

    def action_place(self, by: int) -> None:
        """Go to another place."""
        self._place = (self._place + by) % len(self._places)
        self._refresh()

    def action_choose(self, number: int) -> None:
        """Take a time."""
        self._chosen = number
        self._refresh()

    def _refresh(self) -> None:
        self.query_one("#choices", Static).update(self._text())
        self.query_one("#span").display = self._chosen == _OTHER
        self.query_one("#body").scroll_to(y=self._chosen, animate=False)
        self.complain("")

    def action_next(self) -> None:
        """Go on to what has to be written."""
        self.query_one("#span" if self._chosen == _OTHER else "#reason").focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go on, or pause."""
        event.stop()
        try:
            until = self._until()
        except ValueError as error:
            self.complain(str(error))
            self.query_one("#span").focus()
            return
        if event.input.id == "span":
            self.query_one("#reason").focus()
            return
        reason = self.query_one("#reason", Input).value.strip()
        place = self._places[self._place]
        self.dismiss(Wish(place=place, until=until, reason=reason))

    def _until(self) -> int:
        if self._chosen < len(_SPANS):
            return int(self._now) + _SPANS[self._chosen][1]
        if self._chosen == _ENDLESS:
            return 0
        if self._chosen != _OTHER:
            return morning(self._now)
        seconds = parse_duration(self.query_one("#span", Input).value.strip())
        if not seconds:
            raise ValueError("a pause lasts longer than that")
        return int(self._now) + seconds


class Pausing:
    """The commands pause and resume."""

    commands = frozenset({"pause", "resume"})

    def __init__(self, shell: Shell, then: Then) -> None:
        """Act through *shell*; *then* is called in the job's thread."""
        self._shell = shell
        self._then = then

    def why_not(self, command: str, _page: Page) -> str:
        """Return why there is nothing to do; empty: there is."""
        if command == "resume" and not self._pauses.pauses:
            return "nothing is paused"
        return ""

    def perform(self, command: str, page: Page) -> None:
        """Ask, then do it; the end of the focused place's own pause is not asked about.

        What pauses more than that place is named first: the spool, the directory of a
        message.
        """
        places = self._places(page)
        if command == "pause":
            now = self._shell.world.clock.now()
            self._shell.ask(PauseDialog(places, now=now), self._wished)
            return
        here = [pause for place in places if (pause := self._on(place))]
        if here == [self._on(places[0])] and here[0].scope is not Scope.SPOOL:
            self._resume(here[0])
            return
        found = list(dict.fromkeys([*here, *self._pauses.pauses]))
        self._shell.ask(
            Choose("Resume: which pause?", list(map(self._words, found))),
            lambda number: None if number is None else self._resume(found[number]),
        )

    @property
    def _pauses(self) -> PauseSet:
        return self._shell.world.spool.pauses.current()

    def _places(self, page: Page) -> list[Place]:
        spool = self._shell.world.spool
        return [pausing.place(spool, words) for words in page.pausable()]

    def _on(self, place: Place) -> Pause | None:
        return self._pauses.by_file.get(file_name(place.scope, place.key))

    def _words(self, pause: Pause) -> str:
        until = f"until {instant(pause.until)}" if pause.until else "without an end"
        who = f"by {pause.who}" if pause.who else ""
        words = [str(self._place_of(pause)), until, who, pause.reason or pause.damage]
        return "  ".join(filter(None, words))

    def _place_of(self, pause: Pause) -> pausing.Place:
        key = name = pause.name
        if pause.scope is Scope.DIRECTORY:
            key = pause.file.removeprefix(Scope.DIRECTORY.value)
            names = {d.uuid: d.name for d in self._shell.world.spool.directories}
            name = names.get(key, key)
        return pausing.Place(scope=pause.scope, name=name, key=key)

    # -- doing it --------------------------------------------------------------

    def _wished(self, wish: Wish | None) -> None:
        if wish is None:
            return
        if wish.until:
            self._pause(wish)
            return
        pairs = [
            ("Pauses", str(wish.place)),
            ("Until", "somebody resumes it, here or with tuiq resume"),
            ("Why", wish.reason or "no reason given"),
        ]
        dialog = Confirm("Pause without an end", pairs, does="pauses it")
        self._shell.ask(dialog, lambda yes: self._pause(wish) if yes else None)

    def _pause(self, wish: Wish) -> None:
        world = self._shell.world

        def work(job: Job) -> None:
            job.action = pausing.pause(
                world.spool,
                wish.place,
                actor=world.actor,
                until=wish.until,
                reason=wish.reason,
            )
            ending = "until somebody resumes it"
            if wish.until:
                left = span(wish.until - world.clock.now())
                ending = f"until {instant(wish.until)} ({left})"
            _done(job, f"paused {wish.place} {ending}")

        world.jobs.in_turn("pause", str(wish.place), work, then=self._then)

    def _resume(self, pause: Pause) -> None:
        world, place = self._shell.world, self._place_of(pause)

        def work(job: Job) -> None:
            if file_name(place.scope, place.key) != pause.file:
                raise UsageError(
                    f"{place}: its pause file cannot be told from its name; remove "
                    f"pauses/{pause.file}"
                )
            job.action = pausing.resume(world.spool, place, actor=world.actor)
            _done(job, f"resumed {place}")

        world.jobs.in_turn("resume", str(place), work, then=self._then)


def _done(job: Job, note: str) -> None:
    job.done = 1
    job.counts[Result.ACTED] += 1
    job.note = note

"""The frame of the application: bars, pages, and time."""

from __future__ import annotations

import gc
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from textual.binding import Binding, BindingType
from textual.widgets import Static

from tuiq.actions.words import plural
from tuiq.tui.bars.filter_line import FilterLine
from tuiq.tui.bars.footer import Footer, Hint
from tuiq.tui.bars.rule import Rule
from tuiq.tui.bars.status import JobsLine, StatusLine
from tuiq.tui.bars.tabs import Tab, Tabs
from tuiq.tui.bars.title import TitleBar
from tuiq.tui.commands import COMMANDS
from tuiq.tui.keymap import make_keymap
from tuiq.tui.page import Page
from tuiq.tui.screen import MainScreen
from tuiq.tui.stillness import Stillness
from tuiq.tui.sturdy import SturdyApp
from tuiq.tui.visits import Visit, Visits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from textual.screen import Screen

    from tuiq.tui.bars.bar import Bar
    from tuiq.tui.world import World

_T = TypeVar("_T")
PAGES = ("queues", "messages", "recipients", "shape", "runner", "activity")
START = "messages"
_HURRY = 0.1
_FIRST_LOOKS = (0.1, 0.25)
"""Seconds after the start at which rows may be there before the first tick."""


class Opening(Page):
    """Stands where the first page will be, while that is loaded."""

    page_name = START
    page_title = COMMANDS[f"go-{START}"].label


def _make(name: str) -> Page:
    """Return the page called *name*."""
    module = import_module(f"tuiq.tui.pages.{name}")
    made: Page = getattr(module, f"{name.capitalize()}Page")()
    if made.id is None:
        made.id = name
    return made


class Frame(SturdyApp, inherit_bindings=False):
    """Everything around the commands; with them it is ``app.TuiqApp``."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c,ctrl+q", "command('quit')", show=False),
        Binding("ctrl+z", "suspend_process", show=False),
    ]

    def __init__(
        self,
        world: World,
        *,
        late: Callable[[], None] = lambda: None,
        **dress: Any,
    ) -> None:
        """Show *world*; *late* makes the parts that the first paint does without."""
        super().__init__(world, **dress)
        self.keymap = make_keymap(world.choices.keys)
        self._late = late
        self.page: Page = Opening()
        self.pages: dict[str, Page] = {}
        """By name; there are none before the first paint."""
        self.visits = Visits()
        self.dropped: dict[str, str] = {}
        """Filters that were switched off, by page."""
        self.stillness = Stillness()
        self._sight: object = None
        self._read = 0
        """Faults of the UI that stood on the screen Activity."""
        self.is_up = False
        """Whether everything is loaded, not only what the first paint needs."""
        self._make_bars()

    def _make_bars(self) -> None:
        world = self.world
        self.title_bar = TitleBar(world, id="title")
        self.title_bar.troubles = self._troubles_to_read
        tabs = [
            Tab(
                name=name,
                key=self.key_of(f"go-{name}"),
                title=COMMANDS[f"go-{name}"].label,
            )
            for name in PAGES
        ]
        self.tabs = Tabs(world, tabs, id="tabs")
        self.tabs.current = self.page.page_name
        self.filter_line = FilterLine(
            lambda: self.page,
            lambda field, prefix: self.world.messages.values(field, prefix),
            world.choices,
            dropped=lambda: self.dropped.get(self.page.page_name, ""),
            id="filter",
        )
        self.status_line = StatusLine(
            lambda: self.page.status(), self.doing, id="status"
        )
        self.jobs_line = JobsLine(self.doing, self.status_line, id="jobs")
        self.tour_line = Static(id="tour", classes="bar", markup=False)
        self.tour_line.display = False
        self.footer = Footer(self.hints, id="footer")
        self.bars: list[Bar | FilterLine] = [
            self.title_bar, self.tabs, self.filter_line, self.status_line,
            self.jobs_line, self.footer,
        ]  # fmt: skip

    # -- the screen ------------------------------------------------------------

    def get_default_screen(self) -> Screen[Any]:
        """Return the screen that all is on."""
        return MainScreen(
            above=[
                self.title_bar,
                Rule(),
                self.tabs,
                self.filter_line,
                self.filter_line.hints,
                Rule(),
            ],
            first=self.page,
            below=[
                Rule(),
                self.tour_line,
                self.jobs_line,
                self.status_line,
                self.footer,
            ],
        )

    def on_mount(self) -> None:
        """Dress, and begin to read once there is something on the screen."""
        self.set_keymap(self.keymap.overrides)
        self.wear(self.wanted_theme)
        self.call_after_refresh(self.begin)

    async def begin(self) -> None:
        """Make the pages, and start everything that moves."""
        self._late()
        opening = self.page
        for name in sorted(PAGES, key=lambda name: name != START):
            page = _make(name)
            page.display = name == START
            await self.main.pages.mount(page)
            self.pages[name] = page
            if name == START:
                self.page = page
                await opening.remove()
                page.shown()
                self.guarded("reading the queue", self.world.feed.start)
                self.guarded("looking around", self.world.lookout.start)
        self.is_up = self.title_bar.is_up = self.tabs.is_up = True
        self.set_interval(self.world.options.tick, self.turn)
        for delay in _FIRST_LOOKS:
            self.set_timer(delay, self.turn)
        self.turn()
        self._hurry()
        if complaints := "\n".join(self._complaints()):
            self.tell(complaints, bad=True)
        gc.freeze()  # what is loaded stays; collections need not walk it
        gc.enable()

    def _complaints(self) -> Iterator[str]:
        """Yield what of the user's wishes cannot be, one sentence each."""
        yield from self.world.choices.complaints
        yield from self.keymap.complaints
        yield from self.appearance.collection.complaints
        if why := self.appearance.why_not(self.world.options.theme):
            yield why

    @property
    def main(self) -> MainScreen:
        """Return the screen below all dialogs."""
        screen = self.screen_stack[0]
        assert isinstance(screen, MainScreen)
        return screen

    def wear(self, theme: str) -> None:
        """Put a theme on."""
        super().wear(theme)
        self.title_bar.accent = self.host_accent()
        self.refresh_bars()

    # -- time ------------------------------------------------------------------

    def turn(self) -> None:
        """Take in what happened and show it; called in every tick."""
        self.guarded("reading the queue", self._take_in)
        if self.stillness.now is None or self.page.is_due:
            self.show_page()
        self.refresh_bars()

    def _hurry(self) -> None:
        """Take in more between the ticks while all is read at the start."""
        from tuiq.tui.index.feed import Freshness  # numpy comes after the first paint

        if self.world.feed.state.freshness is Freshness.SCANNING:
            self.guarded("reading the queue", self._take_in)
            self.set_timer(_HURRY, self._hurry)

    def show_page(self) -> None:
        """Bring the current page up to date."""
        now = self.world.clock.now()
        self.guarded(f"showing {self.page.page_title}", lambda: self.page.tick(now))

    def _take_in(self) -> None:
        changed = self.world.feed.drain()
        sight = self.world.lookout.sight
        if sight is not self._sight:
            self._sight = sight
            self.world.feed.see(sight.around)
        amiss = (*self.world.feed.state.notes, sight.error)
        self.troubles.see([*filter(None, amiss)], self.world.clock.now())
        self.stillness.note(changed)
        self.title_bar.frozen = self.stillness.now

    def freeze(self) -> None:
        """Hold the display still, or let it go on."""
        self.stillness.toggle(self.world.clock.now())
        self.title_bar.frozen = self.stillness.now
        is_still = self.stillness.now is not None
        for page in self.pages.values():
            page.freeze(is_still)
        if not is_still:
            self.show_page()

    # -- what pages and dialogs ask for ------------------------------------------

    def go(self, page: str, *, filter: str | None = None, focus: Any = None) -> None:
        """Show a page by its name, with a filter and a focused row if given."""
        target = self.pages[page]
        before = target.filter_text
        visit = Visit(
            left=self.page.page_name,
            came_to=page,
            filter_before=None if filter is None else before,
        )
        if target is not self.page or filter is not None:
            self.visits.note(visit)
        self.switch(target, filter=filter, focus=focus)

    def switch(
        self, target: Page, *, filter: str | None = None, focus: Any = None
    ) -> None:
        """Show a page without taking note of it."""
        self.filter_line.leave()
        if target is not self.page:
            self.page.hidden()
            self.page.display = False
            self.page = target
            target.display = True
            self.tabs.current = target.page_name
            target.shown()
        if filter is not None and (complaint := target.set_filter(filter)):
            self.tell(complaint, bad=True)
        if focus is not None:
            target.focus_on(focus)
        self.show_page()
        self.refresh_bars()

    def refresh_bars(self) -> None:
        """Draw title, status line and footer again if their text changed."""
        for bar in self.bars:
            self.guarded("the bars", bar.bring)

    # -- words -------------------------------------------------------------------

    def doing(self) -> str:
        """Return the line on jobs and undo."""
        raise NotImplementedError

    def hints(self) -> list[Hint]:
        """Return the keys of the footer, the most useful first."""
        raise NotImplementedError

    def _troubles_to_read(self) -> str:
        """Return how much went wrong that nobody has read, and the key to read it."""
        if self.page.page_name == "activity":
            self._read = len(self.troubles)
        unread = max(0, len(self.troubles) - self._read)
        count = self.troubles.going_on + unread
        key = self.key_of("go-activity")
        return f"{plural(count, 'trouble')}: {key}" if count else ""

    def key_of(self, command: str) -> str:
        """Return the key of a command as people read it."""
        return self.keymap.shown(command, ascii=self.palette_now.ascii)

"""The application: one screen of bars and pages, and what every key does."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from textual.app import App
from textual.binding import Binding, BindingType

from tuiq.tui.bars.filter_line import FilterLine
from tuiq.tui.bars.footer import Footer, Hint
from tuiq.tui.bars.rule import Rule
from tuiq.tui.bars.status import JobsLine, StatusLine
from tuiq.tui.bars.tabs import Tab, Tabs
from tuiq.tui.bars.title import Frozen, TitleBar
from tuiq.tui.commands import COMMANDS, GLOBAL, Group
from tuiq.tui.keymap import shown_key
from tuiq.tui.look.text import clean
from tuiq.tui.look.themes import default_palette
from tuiq.tui.pages.page import Page
from tuiq.tui.screen import MainScreen
from tuiq.tui.troubles import Troubles

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.screen import ModalScreen, Screen

    from tuiq.tui.bars.bar import Bar
    from tuiq.tui.look.palette import Palette
    from tuiq.tui.world import World

_T = TypeVar("_T")
_PAGES = ("queues", "messages", "recipients", "shape", "runner", "activity")
_START = "messages"
_COUNTED = 100_000
"""Changed messages that are told apart while the display is frozen."""


class Placeholder(Page):
    """Stands for a page that is not written yet."""


def _make(name: str) -> Page:
    """Return the page called *name*."""
    try:
        module = import_module(f"tuiq.tui.pages.{name}")
        made: Page = getattr(module, f"{name.capitalize()}Page")(id=name)
    except (ImportError, AttributeError):
        title = COMMANDS[f"go-{name}"].label
        members = {"page_name": name, "page_title": title}
        made = type(f"{name.capitalize()}Page", (Placeholder,), members)(id=name)
    return made


class TuiqApp(App[None], inherit_bindings=False):
    """tuiq's terminal UI; implements ``shell.Shell``."""

    TITLE = "tuiq"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c,ctrl+q", "command('quit')", show=False)
    ]

    def __init__(self, world: World, *, driver_class: Any = None) -> None:
        """Show *world*."""
        super().__init__(driver_class=driver_class)
        self.world = world
        self.troubles = Troubles(None)
        self.palette_now: Palette = default_palette(ascii=world.options.ascii)
        self.pages = {name: _make(name) for name in _PAGES}
        self.page = self.pages[_START]
        self._visited: list[str] = []
        self._dropped: dict[str, str] = {}
        self._frozen: Frozen | None = None
        self._changed: set[str] | None = set()
        self._sight: object = None
        self.operator = self._make_operator()
        self._make_bars()

    def _make_operator(self) -> Any:
        try:
            module = import_module("tuiq.tui.operate.operator")
        except ImportError:
            return None
        return module.Operator(self)

    def _make_bars(self) -> None:
        world = self.world
        self.title_bar = TitleBar(world, id="title")
        tabs = [
            Tab(name=name, key=self.key_of(f"go-{name}"), title=page.page_title)
            for name, page in self.pages.items()
        ]
        self.tabs = Tabs(world, tabs, id="tabs")
        self.filter_line = FilterLine(
            lambda: self.page,
            world.messages.values,
            world.choices,
            id="filter",
        )
        self.status_line = StatusLine(
            lambda: self.page.status(), self.doing, id="status"
        )
        self.jobs_line = JobsLine(self.doing, id="jobs")
        self.footer = Footer(self.hints, id="footer")
        self.bars: list[Bar | FilterLine] = [
            self.title_bar, self.tabs, self.filter_line, self.jobs_line,
            self.status_line, self.footer,
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
            below=[Rule(), self.jobs_line, self.status_line, self.footer],
        )

    def on_mount(self) -> None:
        """Show the first page; the others are made while it is read."""
        self.set_keymap(self.world.choices.keys)
        self.tabs.current = self.page.page_name
        self.call_after_refresh(self._start)

    async def _start(self) -> None:
        """Begin to read, once there is something on the screen."""
        self.page.shown()
        for page in self.pages.values():
            if page is not self.page:
                page.display = False
                await self.main.pages.mount(page)
        self.world.lookout.start()
        self.world.feed.start()
        self.set_interval(self.world.options.tick, self.turn)
        self.turn()

    @property
    def main(self) -> MainScreen:
        """Return the screen below all dialogs."""
        screen = self.screen_stack[0]
        assert isinstance(screen, MainScreen)
        return screen

    # -- time ------------------------------------------------------------------

    def turn(self) -> None:
        """Take in what happened and show it; called in every tick."""
        self._guarded("reading the queue", self._take_in)
        if self._frozen is None:
            now = self.world.clock.now()
            self._guarded(
                f"showing {self.page.page_title}", lambda: self.page.tick(now)
            )
        self.refresh_bars()

    def _take_in(self) -> None:
        changed = self.world.feed.drain()
        sight = self.world.lookout.sight
        if sight is not self._sight:
            self._sight = sight
            self.world.feed.see(sight.around)
        if self._frozen is not None:
            self._count(changed)

    def _count(self, changed: frozenset[str] | None) -> None:
        if changed is None or self._changed is None:
            self._changed = None
        else:
            self._changed |= changed
            if len(self._changed) > _COUNTED:
                self._changed = None
        assert self._frozen is not None
        count = None if self._changed is None else len(self._changed)
        self._frozen = Frozen(since=self._frozen.since, changes=count)
        self.title_bar.frozen = self._frozen

    def _guarded(self, doing: str, work: Callable[[], None]) -> None:
        """Do *work*; a fault in it is told once and ends nothing."""
        try:
            work()
        except Exception as error:  # noqa: BLE001 - one page must not end the UI
            text = self.troubles.note(doing, error, self.world.clock.now())
            if text:
                self.tell(text, bad=True)

    # -- what pages and dialogs ask for ------------------------------------------

    def go(self, page: str, *, filter: str | None = None, focus: Any = None) -> None:
        """Show a page by its name, with a filter and a focused row if given."""
        target = self.pages[page]
        self.filter_line.leave()
        if target is not self.page:
            self._visited.append(self.page.page_name)
            self.page.hidden()
            self.page.display = False
            self.page = target
            target.display = True
            self.tabs.current = page
            target.shown()
        if filter is not None and (complaint := target.set_filter(filter)):
            self.tell(complaint, bad=True)
        if focus is not None:
            target.focus_on(focus)
        if self._frozen is None:
            target.tick(self.world.clock.now())
        self.refresh_bars()

    def tell(self, text: str, *, bad: bool = False) -> None:
        """Show a toast."""
        shown = "\n".join(map(clean, text.split("\n")))
        severity = "warning" if bad else "information"
        self.notify(shown, severity=severity, markup=False)  # type: ignore[arg-type]

    def ask(
        self, dialog: ModalScreen[_T], then: Callable[[_T | None], None] | None = None
    ) -> None:
        """Open a dialog."""
        self.push_screen(dialog, then)

    def perform(self, command: str) -> None:
        """Do a command as if its key had been pressed."""
        if why := self.why_not(command):
            self.tell(f"{COMMANDS[command].label}: {why}")
            return
        label = COMMANDS[command].label
        self._guarded(label, lambda: self._do(command))
        self.refresh_bars()

    def action_command(self, command: str) -> None:
        """Do what a key stands for."""
        self.perform(command)

    def refresh_bars(self) -> None:
        """Draw title, status line and footer again if their text changed."""
        for bar in self.bars:
            self._guarded("the bars", bar.bring)

    # -- commands ----------------------------------------------------------------

    def why_not(self, command: str) -> str:
        """Return why a command cannot work now; empty: it can."""
        if self._is_operators(command):
            return self.operator.why_not(command, self.page) if self.operator else ""
        return self.page.why_not(command)

    def _is_operators(self, command: str) -> bool:
        if self.operator is not None and command in self.operator.handles:
            return True
        return COMMANDS[command].group in (Group.ACT, Group.RUNNER)

    def _do(self, command: str) -> None:
        if command.removeprefix("go-") in self.pages:
            self.go(command.removeprefix("go-"))
        elif self._is_operators(command):
            if self.operator:
                self.operator.perform(command, self.page)
        elif command == "filter":
            self.filter_line.edit()
        elif command == "freeze":
            self._freeze()
        elif command == "quit":
            self.exit()
        elif command in self.page.takes and command not in GLOBAL:
            self.page.perform(command)

    def _freeze(self) -> None:
        if self._frozen is None:
            self._changed = set()
            self._frozen = Frozen(since=self.world.clock.now(), changes=0)
        else:
            self._frozen = None
        self.title_bar.frozen = self._frozen

    # -- words -------------------------------------------------------------------

    def doing(self) -> str:
        """Return the line on jobs and undo."""
        return self.operator.line(self.world.clock.now()) if self.operator else ""

    def key_of(self, command: str) -> str:
        """Return the key of a command as people read it."""
        keys = self.world.choices.keys.get(command, COMMANDS[command].keys)
        return shown_key(keys.split(",")[0].strip(), ascii=self.palette_now.ascii)

    def hints(self) -> list[Hint]:
        """Return the keys of the footer, the most useful first."""
        ids = [*self.page.footer, "palette", "help", "quit"]
        return [
            Hint(
                command=id,
                key=self.key_of(id),
                label=COMMANDS[id].label,
                off=bool(self.why_not(id)),
            )
            for id in dict.fromkeys(ids)
        ]

    def on_filter_line_left(self, _event: FilterLine.Left) -> None:
        """Give the keys back to the page."""
        self.page.shown()

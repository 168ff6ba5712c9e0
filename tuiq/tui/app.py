"""The application: what every key does, and why it does not."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from tuiq.tui.bars.filter_parts import EDITING_KEYS
from tuiq.tui.bars.footer import Hint
from tuiq.tui.commands import COMMANDS
from tuiq.tui.driver import TerminalDriver
from tuiq.tui.frame import PAGES
from tuiq.tui.guide import Guide
from tuiq.tui.keymap import shown_key
from tuiq.tui.page import Page

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiq.tui.bars.filter_line import FilterLine
    from tuiq.tui.dialogs.leave import Way
    from tuiq.tui.grid.grid import Grid
    from tuiq.tui.operate.operator import Operator
    from tuiq.tui.visits import Visit

_ALWAYS = ("palette", "help", "quit")
"""What every footer ends with."""
_BY_PAGE = frozenset({"pane", "back"})
"""What the page does where it takes it, and the shell where it does not."""


class Elsewhere(Page):
    """Stands for a page that has one place focused, and nothing else."""

    def __init__(self, place: list[str]) -> None:
        """Focus *place*."""
        super().__init__()
        self._place = place

    def pausable(self) -> list[list[str]]:
        """Return the place."""
        return [self._place]


class TuiqApp(Guide):
    """tuiq's terminal UI; implements ``shell.Shell``."""

    def __init__(self, *args: Any, **options: Any) -> None:
        """Show a world; see ``Frame``."""
        super().__init__(*args, **options)
        self._own: dict[str, Callable[[], object]] = {
            "previous": self._go_to_previous,
            "back": self._go_back,
            "palette": self.find,
            "jump": self.jump,
            "pane": lambda: self.screen.focus_next(),
            "filter": self.filter_line.edit,
            "filter-toggle": self._toggle_filter,
            "filter-clear": lambda: self._narrow(""),
            "filter-save": self._save_filter,
            "columns": self._choose_columns,
            "sort-menu": self._choose_sort,
            "freeze": self.freeze,
            "rescan": lambda: self.world.feed.rescan(),
            "redraw": self._redraw,
            "mouse": self._toggle_mouse,
            "theme": self.choose_theme,
            "help": self.help,
            "help-here": self.help_here,
            "tour-next": lambda: None,
            "tour-end": lambda: None,
            "quit": self._leave,
        }
        for name in PAGES:
            self._own[f"go-{name}"] = partial(self.go, name)

    @cached_property
    def operator(self) -> Operator:
        """Return who acts; loaded after the first paint, which needs nobody."""
        from tuiq.tui.operate.operator import Operator

        return Operator(self)

    # -- commands ----------------------------------------------------------------

    def action_command(self, command: str) -> None:
        """Do what a key stands for."""
        self.perform(command)

    def perform(self, command: str) -> None:
        """Do a command as if its key had been pressed."""
        label = COMMANDS[command].label
        if not self.is_up and command != "quit":
            return  # a key before the first paint
        if why := self.why_not(command):
            self.tell(f"{label}: {why}")
            return
        self.guarded(label, lambda: self._do(command))
        if command != "filter":  # which is done when its line is left
            self.go_on_with_tour(command)
        self.refresh_bars()

    def why_not(self, command: str) -> str:
        """Return why a command cannot work now, as one short phrase; empty: it can."""
        if command in self.operator.handles:
            return self.operator.why_not(command, self.page)
        if self._is_the_pages(command):
            return self.page.why_not(command)
        if command in self._own:
            return self._why_not_own(command)
        return f"not on {self.page.page_title}"

    def _is_the_pages(self, command: str) -> bool:
        """Say whether the page does it."""
        if command not in self.page.takes:
            return False
        if command in _BY_PAGE:
            return not self.page.why_not(command)
        return command not in self._own

    def _why_not_own(self, command: str) -> str:
        title, name = self.page.page_title, self.page.page_name
        text = self.page.filter_text
        if command.startswith("filter") and text is None:
            return f"{title} has no filter"
        missing = {
            "columns": (self._grids, f"{title} has no columns"),
            "sort-menu": (self._grids, f"{title} has no columns"),
            "back": (self._way_back or self._is_astray, "nothing is open"),
            "previous": (self.visits.previous(name), "this is the first screen"),
            "filter-toggle": (text or self._dropped(), "there is no filter"),
            "filter-clear": (text, "there is no filter"),
            "tour-next": (self.tour, "no tour is on; the help begins one"),
            "tour-end": (self.tour, "no tour is on; the help begins one"),
        }
        there, why = missing.get(command, (True, ""))
        return "" if there else why

    def _do(self, command: str) -> None:
        if command in self.operator.handles:
            self.operator.perform(command, self.page)
        elif self._is_the_pages(command):
            self.page.perform(command)
        else:
            self._own[command]()

    @property
    def _way_back(self) -> Visit | None:
        return self.visits.way_back(self.page.page_name)

    @property
    def _is_astray(self) -> bool:
        """Say whether the keys go to something else than a grid of the page."""
        return self.focused is not None and self.focused not in self._grids

    @property
    def _grids(self) -> list[Grid]:
        from tuiq.tui.grid.grid import Grid

        return list(self.page.query(Grid))

    def _grid(self) -> Grid:
        """Return the grid that has the keys, or the first one of the page."""
        return next((g for g in self._grids if g.has_focus), self._grids[0])

    def _choose_columns(self) -> None:
        from tuiq.tui.choosers.columns import choose_columns

        choose_columns(self, self._grid())

    def _choose_sort(self) -> None:
        from tuiq.tui.choosers.sort import choose_sort

        choose_sort(self, self._grid())

    # -- screens -----------------------------------------------------------------

    def _go_to_previous(self) -> None:
        self.go(self.visits.previous(self.page.page_name))

    def _go_back(self) -> None:
        visit = self._way_back
        if visit is None:
            self.page.shown()
            return
        self.visits.forget_last()
        self._narrow(visit.filter_before or "")
        self.switch(self.pages[visit.left])

    # -- the filter ----------------------------------------------------------------

    def _dropped(self) -> str:
        return self.dropped.get(self.page.page_name, "")

    def _narrow(self, text: str) -> None:
        if complaint := self.page.set_filter(text):
            self.tell(complaint, bad=True)
        self.show_page()

    def _toggle_filter(self) -> None:
        name, text = self.page.page_name, self.page.filter_text
        if text:
            self.dropped[name] = text
            self._narrow("")
        else:
            self._narrow(self.dropped.pop(name))

    def _save_filter(self) -> None:
        from tuiq.tui.choosers.filters import choose_filter

        choose_filter(self, self.page.filter_text or "", self._narrow)

    def on_filter_line_left(self, _event: FilterLine.Left) -> None:
        """Give the keys back to the page."""
        self.page.shown()
        self.go_on_with_tour("filter")
        self.refresh_bars()

    def pause(self, place: list[str]) -> None:
        """Ask about pausing a place that no page has focused."""
        elsewhere = Elsewhere(place)
        if why := self.operator.why_not("pause", elsewhere):
            self.tell(f"Pause: {why}")
        else:
            self.operator.perform("pause", elsewhere)

    # -- the terminal -------------------------------------------------------------

    def _redraw(self) -> None:
        if isinstance(self._driver, TerminalDriver):
            self._driver.redraw()  # it sends only what differs otherwise
        else:
            self.refresh(layout=True)

    def _toggle_mouse(self) -> None:
        if not isinstance(self._driver, TerminalDriver):
            self.tell("Mouse: this terminal has none to switch", bad=True)
            return
        self._driver.mouse = not self._driver.mouse
        if self._driver.mouse:
            self.tell("The mouse works here; Shift still selects text with it")
        else:
            self.tell("The mouse is the terminal's again")

    # -- leaving -------------------------------------------------------------------

    def _leave(self) -> None:
        if not self.is_up:
            self.exit()
            return
        jobs, runner = self.world.jobs.running, self.world.runner
        if not jobs and runner.pid is None:
            self.exit()
            return
        from tuiq.tui.dialogs.leave import Leave

        self.ask(Leave(jobs, runner), self._left)

    def _left(self, way: Way | None) -> None:
        from tuiq.tui.dialogs.leave import Way

        if way is None:
            return
        if way is Way.LEAVE_RUNNING:
            self.world.runner.leave_running()
        self.exit()

    # -- words ---------------------------------------------------------------------

    def doing(self) -> str:
        """Return the line on jobs and undo."""
        return self.operator.line(self.world.clock.now()) if self.is_up else ""

    def here(self) -> list[str]:
        """Return the commands that there are on this screen."""
        known = self.page.takes | self.operator.handles | self._own.keys()
        return [id for id in COMMANDS if id in known]

    def hints(self) -> list[Hint]:
        """Return the keys of the footer, the most useful first."""
        if self.filter_line.is_editing:
            return [
                Hint(
                    command="",
                    key=shown_key(key, ascii=self.palette_now.ascii),
                    label=label,
                )
                for key, label in EDITING_KEYS
            ]
        return [
            Hint(
                command=command,
                key=self.key_of(command),
                label=COMMANDS[command].label,
                off=self.is_up and bool(self.why_not(command)),
            )
            for command in dict.fromkeys((*self.page.footer, *_ALWAYS))
        ]

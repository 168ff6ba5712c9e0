"""What finds and explains: the palette, jump labels, help, themes, the tour.

Its dialogs are loaded when they are wanted: the first paint must not wait for them.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from textual.geometry import Offset

from tuiq.tui.frame import Frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiq.tui.dialogs.findings import Entry
    from tuiq.tui.dialogs.jump import Target
    from tuiq.tui.tour import Tour


class Guide(Frame):
    """The frame with everything that leads to commands; they themselves come on top."""

    tour: Tour | None = None

    def perform(self, command: str) -> None:
        """Do a command as if its key had been pressed."""
        raise NotImplementedError

    def why_not(self, command: str) -> str:
        """Return why a command cannot work now; empty: it can."""
        raise NotImplementedError

    def pause(self, place: list[str]) -> None:
        """Ask about pausing a place, in words for ``pausing.place``."""
        raise NotImplementedError

    def here(self) -> list[str]:
        """Return the commands that there are on this screen."""
        raise NotImplementedError

    def find(self) -> None:
        """Open the command palette."""
        from tuiq.tui.dialogs.find import Find
        from tuiq.tui.dialogs.findings import Findings, command_entries

        findings = Findings(
            self,
            page=self.page.page_name,
            pages=[
                (name, page.page_title)
                for name, page in self.pages.items()
                if page.filter_text is not None
            ],
            commands=command_entries(self.here(), self, self.key_of, self.why_not),
            others=list(self._themes()),
            pause=self.pause,
        )
        self.ask(Find(findings), self._found)

    def _found(self, entry: Entry | None) -> None:
        if entry is not None:
            self.guarded(entry.label, entry.run)
            self.refresh_bars()

    def _themes(self) -> Iterator[Entry]:
        from tuiq.tui.dialogs.findings import Entry

        for theme in self.appearance.usable:
            yield Entry(
                label=f"Theme {theme.name}",
                gloss=theme.description,
                run=partial(self._keep_theme, theme.name),
            )

    def choose_theme(self) -> None:
        """Open the theme picker."""
        from tuiq.tui.choosers.theme import ThemePicker

        worn = self.palette_now.name
        self.ask(ThemePicker(self.appearance, worn, self.wear), self._keep_theme)

    def _keep_theme(self, name: str | None) -> None:
        if name is None:
            return
        self.wear(name)
        self.world.choices.theme = name
        if complaint := self.world.choices.save():
            self.tell(complaint, bad=True)

    def help(self) -> None:
        """Show the keys of this screen."""
        from tuiq.tui.dialogs.help import Help

        dialog = Help(
            self.page.page_title, self.here(), self.keymap, self.why_not, tour=True
        )
        self.ask(dialog, self._helped)

    def help_here(self) -> None:
        """Explain what is focused; where there is nothing to explain, all keys."""
        from tuiq.tui.dialogs.help import HelpHere
        from tuiq.tui.dialogs.here import explain

        title, lines = explain(self.focused)
        if lines:
            self.ask(HelpHere(title, lines))
        else:
            self.help()

    def _helped(self, wants: str | None) -> None:
        if wants == "tour":
            from tuiq.tui.tour import Tour

            self.go("messages")
            may_act = not self.world.options.read_only
            self.tour = Tour(may_act=may_act, key_of=self.key_of)
            self._show_tour()

    def go_on_with_tour(self, command: str) -> None:
        """Go to the tour's next step if *command* was what it waits for."""
        if self.tour is not None and self.tour.performed(command):
            if self.tour.is_over:
                self.tour = None
            self._show_tour()

    def _show_tour(self) -> None:
        self.tour_line.display = self.tour is not None
        self.screen_stack[0].set_class(self.tour is not None, "-touring")
        self.tour_line.update(self.tour.line if self.tour else "")

    def jump(self) -> None:
        """Put labels on everything that can be focused."""
        from tuiq.tui.dialogs.jump import Jump

        self.ask(Jump(self._targets()), self._jumped)

    def _targets(self) -> Iterator[Target]:
        """Yield everything that can be focused: tabs, the filter, grids and panes."""
        from tuiq.tui.dialogs.jump import Target

        for x, name in self.tabs.places:
            at = self.tabs.region.offset + Offset(x, 0)
            key = next(iter(self.keymap.keys[f"go-{name}"]), "")
            yield Target(at=at, go=partial(self.go, name), key=key)
        if self.page.filter_text is not None:
            at = self.filter_line.region.offset
            key = next(iter(self.keymap.keys["filter"]), "")
            yield Target(at=at, go=self.filter_line.edit, key=key)
        for widget in self.page.query("*"):
            if widget.focusable and widget.region:
                yield Target(at=widget.region.offset, go=widget.focus)

    def _jumped(self, target: Target | None) -> None:
        if target is not None:
            target.go()

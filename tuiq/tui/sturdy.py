"""An application that wears themes, and of which a fault costs a sentence."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

from tuiq.tui.look.appearance import Appearance
from tuiq.tui.look.colours import MILLIONS
from tuiq.tui.look.fittings import APP_CSS, fit_scrollbars
from tuiq.tui.look.text import clean
from tuiq.tui.look.themes import shipped
from tuiq.tui.screen import BARE
from tuiq.tui.troubles import Troubles
from tuiq.tui.typeahead import TypeAhead

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.filter import LineFilter
    from textual.screen import ModalScreen

    from tuiq.tui.look.palette import Palette
    from tuiq.tui.look.theme import HostAccent
    from tuiq.tui.world import World

_T = TypeVar("_T")


class SturdyApp(TypeAhead, inherit_bindings=False):
    """What the frame stands on; knows no page and no bar."""

    TITLE = "tuiq"
    CSS = APP_CSS
    ENABLE_COMMAND_PALETTE = False
    SUSPENDED_SCREEN_CLASS = "-below"
    """Toasts are drawn on the topmost screen alone."""

    def __init__(
        self,
        world: World,
        *,
        appearance: Appearance | None = None,
        troubles: Troubles | None = None,
        driver_class: Any = None,
    ) -> None:
        """Show *world*."""
        appearance = appearance or Appearance(
            collection=shipped(), depth=MILLIONS, ascii=world.options.ascii
        )
        ansi = True if appearance.depth <= 16 else None
        super().__init__(driver_class=driver_class, ansi_color=ansi)
        self.world = world
        self.appearance = appearance
        self.troubles = Troubles(None) if troubles is None else troubles
        fit_scrollbars(ascii=appearance.ascii)
        appearance.register_all(self)
        self.palette_now: Palette = appearance.palette(self.wanted_theme)
        self._last_words = ""
        self._told, self._told_until = "", 0.0

    # -- themes ----------------------------------------------------------------

    @property
    def wanted_theme(self) -> str:
        """Return the theme that was asked for; empty: none was."""
        return self.world.options.theme or self.world.choices.theme

    def wear(self, theme: str) -> None:
        """Put a theme on."""
        self.palette_now = self.appearance.apply(self, theme)

    def host_accent(self) -> HostAccent | None:
        """Return how this host is told from others in the theme that is worn."""
        hosts, host = self.world.choices.hosts, self.world.actor.host
        try:
            return self.appearance.host_accent(hosts, host, self.palette_now.name)
        except ValueError as error:
            self.tell(f"ui.toml: hosts: {error}; the accent is left out", bad=True)
            return None

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return what every line goes through; a theme without colours needs more."""
        own = self.appearance.filters(self.palette_now.name)
        return [*own, *super().get_line_filters()]

    # -- faults ----------------------------------------------------------------

    def guarded(self, doing: str, work: Callable[[], object]) -> None:
        """Do *work*; a fault in it is told once and ends nothing."""
        try:
            work()
        except Exception as error:  # noqa: BLE001 - one page must not end the UI
            text = self.troubles.note(doing, error, self.world.clock.now())
            if text:
                self.tell(text, bad=True)

    def _handle_exception(self, error: Exception) -> None:
        """Keep the traceback of what nothing else caught; Textual ends the UI then."""
        now = self.world.clock.now()
        self._last_words = self.troubles.note("the UI", error, now)
        super()._handle_exception(error)

    def _fatal_error(self) -> None:
        """End with a sentence; a screenful of code and values helps no operator."""
        where = f"; details are in {self.troubles.log}" if self.troubles.log else ""
        sentence = f"tuiq: {self._last_words}; mail is not affected{where}"
        self._exit_renderables.append(sentence)
        self._close_messages_no_wait()

    # -- telling and asking ------------------------------------------------------

    def tell(self, text: str, *, bad: bool = False) -> None:
        """Show a toast, unless it says what the last one says that is still there.

        Where there is little room it takes the place of those before it.
        """
        shown = "\n".join(map(clean, text.split("\n")))
        now = time.monotonic()
        if shown == self._told and now < self._told_until:
            return
        self._make_room()
        self._told, self._told_until = shown, now + self.NOTIFICATION_TIMEOUT
        self.notify(shown, severity="warning" if bad else "information", markup=False)

    def _make_room(self) -> None:
        if self.size.width < BARE[0] or self.size.height < BARE[1]:
            self.call_later(self.clear_notifications)  # after what was told before
            self._told = ""

    def ask(
        self, dialog: ModalScreen[_T], then: Callable[[_T | None], None] | None = None
    ) -> None:
        """Open a dialog; toasts give way to it where there is no room for both."""
        self._make_room()
        self.push_screen(dialog, then)

"""What pages and dialogs may ask of the application around them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.screen import ModalScreen

    from tuiq.tui.look.palette import Palette
    from tuiq.tui.troubles import Troubles
    from tuiq.tui.world import World

_T = TypeVar("_T")


class Shell(Protocol):
    """The application, as what is in it sees it."""

    world: World
    troubles: Troubles
    """What went wrong in the UI and around it."""

    @property
    def palette_now(self) -> Palette:
        """Return the styles in force; another object after a change of theme."""

    def go(self, page: str, *, filter: str | None = None, focus: Any = None) -> None:
        """Show a page by its name, with a filter and a focused row if given."""

    def tell(self, text: str, *, bad: bool = False) -> None:
        """Show a toast: only about what the operator has just done; escapes nothing.

        *text* is shown without markup; text from mail must be clean.
        """

    def ask(
        self, dialog: ModalScreen[_T], then: Callable[[_T | None], None] | None = None
    ) -> None:
        """Open a dialog; *then* gets its answer, None when it was left."""

    def perform(self, command: str) -> None:
        """Do a command as if its key had been pressed."""

    def hold_keys(self) -> None:
        """Let the keys that come now wait: they may answer a question to come."""

    def let_keys_go(self) -> None:
        """Do the keys that waited, and those that come."""

    def refresh_bars(self) -> None:
        """Draw title, status line and footer again if their text changed."""

    def call_later(
        self, callback: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> bool:
        """Call back in the UI thread, soon; any thread may ask for it."""

"""What all dialogs have in common: frame, title, complaint, key hints, and Esc.

A dialog overrides ``body`` and ends with ``dismiss(answer)``; leaving answers None.
All text in it is shown without markup; text from mail must have passed ``clean``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeVar, cast

from textual import events
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from tuiq.tui.keymap import shown_key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.app import ComposeResult

    from tuiq.tui.shell import Shell

_T = TypeVar("_T")


class Dialog(ModalScreen[_T]):
    """A framed question or list above the screen.

    Classes: ``-wide`` for up to 100 columns instead of 72, ``-danger`` for a frame in
    the colour of what cannot be undone.
    """

    DEFAULT_CSS = """
    Dialog { align: center middle; }
    Dialog > ToastRack { margin-bottom: 3; }
    Dialog > #frame {
        width: 72;
        max-width: 100%;
        height: auto;
        max-height: 100%;
        padding: 0 1;
        background: $surface;
        color: $foreground;
        border: round $border;
        border-title-color: $accent;
        border-title-style: bold;
    }
    Dialog.-wide > #frame { width: 100; }
    Dialog.-danger > #frame { border: round $error; border-title-color: $error; }
    Dialog #body { height: auto; max-height: 1fr; scrollbar-size-vertical: 1; }
    Dialog #foot { dock: bottom; height: auto; }
    Dialog #complaint { display: none; height: auto; color: $error; }
    Dialog #hints { height: auto; color: $text-muted; }
    Dialog Input {
        border: none; height: 1; padding: 0; background: $panel;
        &:focus { border: none; background: $panel; }
    }
    Dialog OptionList, Dialog ListView, Dialog TextArea {
        border: none; padding: 0; background: $surface;
        &:focus { border: none; background-tint: $surface 0%; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "leave", show=False)
    ]
    KEEPS_EARLY_KEYS: ClassVar[bool] = False
    """Whether keys typed before it was on the screen are for its line of text.

    Nobody can have meant a question that was not to be seen yet: it forgets them,
    all but Esc.
    """

    def __init__(
        self,
        title: str,
        *,
        hints: Iterable[tuple[str, str]] = (("escape", "leave"),),
        classes: str | None = None,
    ) -> None:
        """Name the dialog; *hints* are Textual key names and what the keys do."""
        super().__init__(classes=classes)
        self._title = title
        self._hints = tuple(hints)
        self.is_seen = False
        """Whether it has been drawn."""
        self._early: list[events.Key] = []

    def on_screen_resume(self) -> None:
        """Take keys once there is something to see."""
        if not self.is_seen:
            self.call_after_refresh(self._be_seen)

    def _be_seen(self) -> None:
        self.is_seen = True
        early, self._early = self._early, []
        for key in early:
            self.app.post_message(events.Key(key.key, key.character))

    def typed_early(self, key: events.Key) -> None:
        """Take a key that was read before the dialog was seen."""
        if self.KEEPS_EARLY_KEYS or key.key == "escape":
            self._early.append(key)

    @property
    def shell(self) -> Shell:
        """Return the application."""
        return cast("Shell", self.app)

    def compose(self) -> ComposeResult:
        """Put the frame around the body."""
        frame = Vertical(id="frame")
        frame.border_title = Content(self._title)
        with frame:
            with VerticalScroll(id="body", can_focus=False):
                yield from self.body()
            with Vertical(id="foot"):
                yield Static(id="complaint", markup=False)
                yield Static(self._hint_line(), id="hints")

    def body(self) -> ComposeResult:
        """Yield what is inside the frame, above complaint and hints."""
        raise NotImplementedError

    def retitle(self, title: str) -> None:
        """Change the title."""
        self._title = title
        self.query_one("#frame", Vertical).border_title = Content(title)

    def show_hints(self, hints: Iterable[tuple[str, str]]) -> None:
        """Change the key hints."""
        self._hints = tuple(hints)
        self.query_one("#hints", Static).update(self._hint_line())

    def complain(self, text: str) -> None:
        """Say above the hints why that did not work; empty takes it back."""
        complaint = self.query_one("#complaint", Static)
        complaint.update(text)
        complaint.display = bool(text)

    def action_leave(self) -> None:
        """Leave without an answer."""
        self.dismiss(None)

    def _hint_line(self) -> Content:
        ascii_only = self.shell.palette_now.ascii
        parts: list[Content | str | tuple[str, str]] = []
        for key, does in self._hints:
            parts += ["  " if parts else ""]
            parts += [(shown_key(key, ascii=ascii_only), "bold $accent"), f" {does}"]
        return Content.assemble(*parts)

"""The questions before an action: shown is what is acted on, and Enter is no yes.

Tier 2, and tier 3 up to ``MANY`` messages, wants a ``y``.  Above that the number of
messages is typed, and Enter counts only once it is complete and right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.table import Table
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Input, Static

from tuiq.tui.dialog import Dialog
from tuiq.tui.look.roles import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from textual.app import ComposeResult

    from tuiq.tui.look.palette import Palette

_YES = "yoktw"
_LOUD = {"No undo": Role.BAD, "In flight": Role.WARN, "Gone": Role.WARN}
"""Labels whose line is to be seen."""


def yes_key(action_keys: Sequence[str]) -> str:
    """Return the key that says yes: never one that begins the action."""
    taken = {key.lower() for key in action_keys}
    return next(key for key in _YES if key not in taken)


class Facts(Static):
    """Labels and what they say, in two columns; what is too long wraps in its own."""

    DEFAULT_CSS = "Facts { height: auto; }"

    def __init__(self, pairs: Iterable[tuple[str, str]], palette: Palette) -> None:
        """Show *pairs*, all of it clean."""
        rows = Table.grid(padding=(0, 2, 0, 0))
        rows.add_column(no_wrap=True)
        rows.add_column(overflow="fold")
        label = ""
        for name, text in pairs:
            label = name or label
            style = palette[_LOUD.get(label, Role.TEXT)]
            is_sample = label == "Sample"
            line = Text(text, style=style, overflow="ellipsis", no_wrap=is_sample)
            rows.add_row(Text(name, style=palette[Role.DIM]), line)
        super().__init__(rows, markup=False)


class Question(Dialog[bool]):
    """What every question shows: facts that scroll, and a list of all that is meant."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "list_all", "list all", show=False, priority=True),
        Binding("down,pagedown", "scroll(1)", show=False),
        Binding("up,pageup", "scroll(-1)", show=False),
    ]

    def __init__(
        self,
        title: str,
        pairs: Iterable[tuple[str, str]],
        *,
        show_all: Callable[[], Dialog[None]] | None,
        danger: bool,
    ) -> None:
        """Show *pairs*; *show_all* makes the dialog that lists everything meant."""
        self._pairs = list(pairs)
        self._show_all = show_all
        hints = self.hints_now()
        if show_all is not None:
            hints.append(("v", "lists all"))
        classes = "-wide -danger" if danger else "-wide"
        super().__init__(title, hints=hints, classes=classes)

    def hints_now(self) -> list[tuple[str, str]]:
        """Return what the keys do that answer."""
        raise NotImplementedError

    def body(self) -> ComposeResult:
        """Show what would be done to what."""
        yield Facts(self._pairs, self.shell.palette_now)

    def action_scroll(self, by: int) -> None:
        """Show more of the facts."""
        self.query_one("#body").scroll_relative(y=by, animate=False)

    def action_list_all(self) -> None:
        """Show everything that is meant."""
        if self._show_all is not None:
            self.app.push_screen(self._show_all())


class Confirm(Question):
    """A question that one key answers; any other key but Esc does nothing."""

    def __init__(
        self,
        title: str,
        pairs: Iterable[tuple[str, str]],
        *,
        does: str,
        key: str = "y",
        show_all: Callable[[], Dialog[None]] | None = None,
        danger: bool = False,
    ) -> None:
        """Ask whether to do what *pairs* describe; *does*: ``deletes 3 messages``."""
        self.key = key
        self._does = does
        super().__init__(title, pairs, show_all=show_all, danger=danger)

    BINDINGS: ClassVar[list[BindingType]] = [
        # Explicit, so that nothing below ever takes it for a yes.
        Binding("enter", "nothing", "nothing", show=False),
    ]

    def hints_now(self) -> list[tuple[str, str]]:
        """Return which key says yes."""
        return [(self.key, self._does), ("escape", "leaves it alone")]

    def on_mount(self) -> None:
        """Take the key."""
        self._bindings.bind(self.key, "yes", "yes", show=False)

    def action_yes(self) -> None:
        """Agree."""
        self.dismiss(True)

    def action_nothing(self) -> None:
        """Do nothing."""


class CountInput(Input):
    """A field for digits, which leaves other keys to its dialog."""

    def __init__(self) -> None:
        """Take as many digits as a queue can need."""
        super().__init__(restrict=r"[0-9]*", max_length=12, id="count")

    def on_mount(self) -> None:
        """Let the number be typed at once, and be seen."""
        self.focus()
        self.call_after_refresh(self.scroll_visible, animate=False)

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Say whether a key is for the field."""
        return character is not None and character.isdecimal()


class TypeCount(Question):
    """A question that is answered by typing how many messages there are."""

    DEFAULT_CSS = """
    TypeCount #typing { height: 1; margin-top: 1; }
    TypeCount #typing Static { width: auto; }
    TypeCount #typing Input { width: 1fr; }
    """

    def __init__(
        self,
        title: str,
        pairs: Iterable[tuple[str, str]],
        *,
        count: int,
        does: str,
        show_all: Callable[[], Dialog[None]] | None = None,
    ) -> None:
        """Ask for *count*; *does*: ``deletes them``."""
        self._count = count
        self._does = does
        self.is_right = False
        super().__init__(title, pairs, show_all=show_all, danger=True)

    def hints_now(self) -> list[tuple[str, str]]:
        """Return what Enter does, if it does anything."""
        hints = [("escape", "leaves it alone")]
        return [("enter", self._does), *hints] if self.is_right else hints

    def body(self) -> ComposeResult:
        """Show what would be done to what, and ask for the number."""
        yield from super().body()
        with Horizontal(id="typing"):
            yield Static(f"Type {self._count} to agree: ", markup=False)
            yield CountInput()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Say what Enter does now."""
        event.stop()
        self.complain("")
        self.is_right = event.value == str(self._count)
        self.show_hints(self.hints_now())

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Agree if the number is right, whole."""
        event.stop()
        if event.value == str(self._count):
            self.dismiss(True)
        else:
            self.complain(f"That is not {self._count}: nothing was done.")


class Listing(Dialog[None]):
    """A long list, a page at a time; lines are asked for when they are shown."""

    PAGE = 14
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "by(1)", show=False),
        Binding("up,k", "by(-1)", show=False),
        Binding("pagedown,space,ctrl+d", "page(1)", show=False),
        Binding("pageup,ctrl+b", "page(-1)", show=False),
        Binding("home,g", "go(0)", show=False),
        Binding("end,G", "go(-1)", show=False),
        Binding("v,q", "leave", show=False),
    ]

    def __init__(self, title: str, numbers: range, line: Callable[[int], str]) -> None:
        """List *numbers*; *line* says what one of them is, clean."""
        self._numbers = numbers
        self._line = line
        self._top = 0
        hints = [("pagedown", "next"), ("pageup", "before"), ("escape", "back")]
        super().__init__(title, hints=hints, classes="-wide")

    def body(self) -> ComposeResult:
        """Show one page."""
        yield Static(self._text(), markup=False, id="page")

    def action_by(self, lines: int) -> None:
        """Scroll."""
        self.action_go(max(0, self._top + lines))

    def action_page(self, pages: int) -> None:
        """Scroll by pages."""
        self.action_by(pages * self.PAGE)

    def action_go(self, top: int) -> None:
        """Show the page that begins at *top*; -1: the last one."""
        last = max(0, len(self._numbers) - self.PAGE)
        self._top = last if top < 0 else min(top, last)
        self.query_one("#page", Static).update(self._text())

    def _text(self) -> str:
        shown = self._numbers[self._top : self._top + self.PAGE]
        end = self._top + len(shown)
        where = f"{self._top + 1 if shown else 0:,}–{end:,} of {len(self._numbers):,}"
        return "\n".join([*map(self._line, shown), "", where])

"""The pieces of the filter line: prompt, filter in force, editor, count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from textual.binding import Binding, BindingType
from textual.widgets import Input

from tuiq.tui.bars.bar import Bar
from tuiq.tui.bars.parts import Spans, two_sides, width_of
from tuiq.tui.look.roles import Role
from tuiq.tui.look.text import clean

if TYPE_CHECKING:
    from collections.abc import Callable

_PROMPT = " filter › "
EDITING_KEYS = (
    ("tab", "Complete"),
    ("up", "Earlier filters"),
    ("ctrl+u", "Clear"),
    ("f1", "How to write one"),
    ("enter", "Keep"),
    ("escape", "As it was"),
)
"""What the keys do while a filter is written, and the words for that."""


class Narrowed(Protocol):
    """What the filter line narrows: the current page, as far as it can be."""

    seeks_words: ClassVar[bool]
    """Whether it seeks words, and knows no terms."""

    @property
    def filter_text(self) -> str | None:
        """Return the filter in force; None where there is none to set."""

    def set_filter(self, text: str) -> str:
        """Narrow; return the complaint."""

    def matched(self) -> str:
        """Return how much is left of how much."""


class FilterShow(Bar):
    """The filter in force and what it matches, while it is not edited."""

    def __init__(
        self, page: Callable[[], Narrowed | None], dropped: Callable[[], str]
    ) -> None:
        """Show the filter of what *page* returns, or the one that *dropped* does."""
        super().__init__()
        self._page = page
        self._dropped = dropped

    def spans(self, width: int) -> Spans:
        """Return the line."""
        page = self._page()
        text = page.filter_text if page else None
        if page is None or text is None:
            return ()
        if text:
            said = ((_PROMPT, Role.DIM), (clean(text), Role.ACCENT))
        elif dropped := self._dropped():
            off = f"off  {clean(dropped)}"
            said = ((_PROMPT, Role.DIM), (off, Role.DIM))
        else:
            said = ((_PROMPT, Role.DIM), ("everything", Role.DIM))
        count = clean(page.matched())
        return two_sides(said, ((f"{count} ", Role.DIM),) if count else (), width)


class FilterCount(Bar):
    """What the filter matches, beside the line that is edited."""

    DEFAULT_CSS = "FilterCount { width: 28; }"

    def __init__(self, page: Callable[[], Narrowed | None]) -> None:
        """Show the count of what *page* returns."""
        super().__init__(classes="edits")
        self._page = page

    def spans(self, width: int) -> Spans:
        """Return the count."""
        page = self._page()
        count = clean(page.matched()) if page else ""
        right = ((f"{count} ", Role.DIM),)
        return two_sides((), right, width) if width_of(right) <= width else right


class FilterEdit(Input):
    """The line in which the filter is written."""

    DEFAULT_CSS = """
    FilterEdit, FilterEdit:focus {
        border: none; height: 1; padding: 0; width: 1fr; background-tint: $panel 0%;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "ask('left')", show=False),
        Binding("enter", "ask('keep')", show=False),
        Binding("tab", "ask('complete')", show=False),
        Binding("shift+tab", "ask('complete-back')", show=False),
        Binding("up", "ask('older')", show=False),
        Binding("down", "ask('newer')", show=False),
        Binding("ctrl+u", "ask('clear')", show=False),
    ]

    def __init__(self, asked: Callable[[str], None], **options: Any) -> None:
        """Call *asked* with the name of a key that means more than text.

        At once: what is typed after it must find what it did.
        """
        super().__init__(**options)
        self._asked = asked

    def action_ask(self, what: str) -> None:
        """Pass the key on."""
        self._asked(what)

    def insert_text_at_cursor(self, text: str) -> None:
        """Insert what was typed or pasted, without anything that is no text."""
        super().insert_text_at_cursor(clean(text))


class Prompt(Bar):
    """``filter ›``."""

    DEFAULT_CSS = "Prompt { width: 10; }"

    def __init__(self) -> None:
        """Stand before the editor."""
        super().__init__(classes="edits")

    def spans(self, width: int) -> Spans:
        """Return the prompt."""
        return ((_PROMPT, Role.DIM),)

"""The filter: what is in force, how much it matches, and the line to change it in."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input

from tuiq.actions.filter import FilterError, parse
from tuiq.tui.bars.bar import Bar
from tuiq.tui.bars.completion import Completion, complete
from tuiq.tui.bars.filter_hints import FilterHints
from tuiq.tui.bars.parts import Spans, two_sides, width_of
from tuiq.tui.bars.signs import drawn
from tuiq.tui.look.roles import Role
from tuiq.tui.look.text import clean

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult
    from textual.timer import Timer

    from tuiq.tui.choices import Choices

_WAIT = 0.12
"""Seconds after the last key before the page is narrowed."""
_PROMPT = " filter › "


class Narrowed(Protocol):
    """What the filter line narrows: the current page, as far as it can be."""

    @property
    def filter_text(self) -> str | None:
        """Return the filter in force; None where there is none to set."""

    def set_filter(self, text: str) -> str:
        """Narrow; return the complaint."""

    def matched(self) -> str:
        """Return how much is left of how much."""


class FilterShow(Bar):
    """The filter in force and what it matches, while it is not edited."""

    def __init__(self, page: Callable[[], Narrowed | None], dropped: str = "") -> None:
        """Show the filter of what *page* returns."""
        super().__init__(id="filter-show")
        self._page = page
        self.dropped = dropped
        """A filter that was switched off for a while."""

    def spans(self, width: int) -> Spans:
        """Return the line."""
        page = self._page()
        text = page.filter_text if page else None
        if page is None or text is None:
            return ()
        ascii_only = self.shell.palette_now.ascii
        prompt = drawn(_PROMPT, ascii=ascii_only)
        if text:
            said = ((prompt, Role.DIM), (clean(text), Role.ACCENT))
        elif self.dropped:
            off = f"off  {clean(self.dropped)}"
            said = ((prompt, Role.DIM), (off, Role.DIM))
        else:
            said = ((prompt, Role.DIM), ("everything", Role.DIM))
        count = drawn(clean(page.matched()), ascii=ascii_only)
        return two_sides(said, ((f"{count} ", Role.DIM),) if count else (), width)


class FilterCount(Bar):
    """What the filter matches, beside the line that is edited."""

    DEFAULT_CSS = "FilterCount { width: auto; min-width: 24; }"

    def __init__(self, page: Callable[[], Narrowed | None]) -> None:
        """Show the count of what *page* returns."""
        super().__init__(id="filter-count")
        self._page = page

    def get_content_width(self, *_sizes: object) -> int:
        """Take what is needed."""
        return 28

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
        Binding("tab", "ask('complete')", show=False),
        Binding("shift+tab", "ask('complete-back')", show=False),
        Binding("up", "ask('older')", show=False),
        Binding("down", "ask('newer')", show=False),
        Binding("ctrl+u", "ask('clear')", show=False),
    ]

    class Asked(Message):
        """A key that means more than a change of the text."""

        def __init__(self, what: str) -> None:
            """Say which."""
            super().__init__()
            self.what = what

    def action_ask(self, what: str) -> None:
        """Pass the key on."""
        self.post_message(self.Asked(what))

    def insert_text_at_cursor(self, text: str) -> None:
        """Insert what was typed or pasted, without anything that is no text."""
        super().insert_text_at_cursor(clean(text))


class FilterLine(Horizontal):
    """The third line of the screen."""

    DEFAULT_CSS = """
    FilterLine { height: 1; }
    FilterLine > #filter-prompt { width: 10; }
    FilterLine > #filter-edit, FilterLine > #filter-count,
    FilterLine > #filter-prompt { display: none; }
    FilterLine.-editing > * { display: block; }
    FilterLine.-editing > #filter-show { display: none; }
    """

    class Left(Message):
        """The line is no longer edited; focus belongs to the page."""

    def __init__(
        self,
        page: Callable[[], Narrowed | None],
        values: Callable[[str, str], list[str]],
        choices: Choices,
        *,
        id: str | None = None,
    ) -> None:
        """Narrow what *page* returns; *values* completes, *choices* remembers."""
        super().__init__(id=id, classes="bar")
        self._page = page
        self._values = values
        self._choices = choices
        self.show = FilterShow(page)
        self.input = FilterEdit(id="filter-edit", select_on_focus=False)
        self.input.cursor_blink = False
        self._count = FilterCount(page)
        self._prompt = Prompt(id="filter-prompt")
        self.hints = FilterHints()
        self._timer: Timer | None = None
        self._before = ""
        self._at = 0
        self._draft = ""
        self._completion = Completion()
        self._error: tuple[str, int] = ("", 0)

    def compose(self) -> ComposeResult:
        """Put the parts side by side."""
        yield self.show
        yield self._prompt
        yield self.input
        yield self._count

    @property
    def is_editing(self) -> bool:
        """Say whether keys go into the line."""
        return self.has_class("-editing")

    def bring(self) -> None:
        """Draw what changed."""
        for bar in (self.show, self._prompt, self._count):
            bar.bring()

    def edit(self) -> None:
        """Begin to change the filter of the page."""
        page = self._page()
        text = page.filter_text if page else None
        if text is None or self.is_editing:
            return
        self._before = text
        self._at, self._draft = len(self._choices.history), ""
        self.add_class("-editing")
        with self.input.prevent(Input.Changed):
            self.input.value = text
        self.input.cursor_position = len(text)
        self.input.focus()
        self._look()
        self.call_after_refresh(self.bring)

    def leave(self) -> None:
        """Stop editing; what was applied last stays."""
        if not self.is_editing:
            return
        self._stop_timer()
        self.remove_class("-editing")
        self.hints.hide()
        self.call_after_refresh(self.bring)
        self.post_message(self.Left())

    def on_input_changed(self, event: Input.Changed) -> None:
        """Check at once, apply a little later."""
        event.stop()
        if not self.is_editing:
            return
        self._look()
        self._stop_timer()
        if not self._error[0]:
            self._timer = self.set_timer(_WAIT, self._apply)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep the filter; one that cannot be understood is not left."""
        event.stop()
        self._stop_timer()
        if self._error[0] or not self._apply():
            return
        page = self._page()
        self._remember((page.filter_text if page else "") or "")
        self.leave()

    def on_filter_edit_asked(self, event: FilterEdit.Asked) -> None:
        """Do what a key asks for."""
        event.stop()
        match event.what:
            case "left":
                self._restore()
            case "clear":
                self.input.value = ""
            case "older":
                self._recall(-1)
            case "newer":
                self._recall(1)
            case what:
                self._complete(-1 if what.endswith("back") else 1)

    def _restore(self) -> None:
        """Take up the filter that was there before."""
        page = self._page()
        if page is not None and page.filter_text != self._before:
            page.set_filter(self._before)
        self.leave()

    def _apply(self) -> bool:
        page = self._page()
        complaint = page.set_filter(self.input.value) if page else ""
        if complaint:
            self._error = (complaint.splitlines()[-1], 0)
            self._hint()
        self.bring()
        return not complaint

    def _look(self) -> None:
        """Parse what is written, and offer what may follow."""
        text = self.input.value
        try:
            parse(text)
            self._error = ("", 0)
        except FilterError as error:
            self._error = (error.reason, error.position)
        self._completion = complete(text, self.input.cursor_position, self._values)
        self._hint()

    def _hint(self) -> None:
        reason, position = self._error
        self.hints.tell(
            self.region.offset,
            reason,
            position,
            self._completion,
            shift=10 - self.input.scroll_offset.x,
        )

    def _complete(self, step: int) -> None:
        done = self._completion.step(step)
        if done is None:
            return
        text, cursor, completion = done
        with self.input.prevent(Input.Changed):
            self.input.value = text
        self.input.cursor_position = cursor
        self._completion = completion

    def _recall(self, step: int) -> None:
        if not 0 <= self._at + step <= len(self._choices.history):
            return
        if self._at == len(self._choices.history):
            self._draft = self.input.value
        self._at += step
        recalled = [*self._choices.history, self._draft][self._at]
        self.input.value = recalled
        self.input.cursor_position = len(recalled)

    def _remember(self, text: str) -> None:
        if text:
            self._choices.remember(text)
            self._choices.save()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None


class Prompt(Bar):
    """``filter ›``."""

    def spans(self, width: int) -> Spans:
        """Return the prompt."""
        return ((drawn(_PROMPT, ascii=self.shell.palette_now.ascii), Role.DIM),)

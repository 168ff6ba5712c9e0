"""The filter: what is in force, how much it matches, and the line to change it in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input

from tuiq.actions.filter import FilterError, parse
from tuiq.tui.bars.completion import Completion, complete
from tuiq.tui.bars.filter_hints import Fault, FilterHints
from tuiq.tui.bars.filter_parts import (
    FilterCount,
    FilterEdit,
    FilterShow,
    Narrowed,
    Prompt,
)
from tuiq.tui.look.text import clean

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult
    from textual.timer import Timer

    from tuiq.tui.choices import Choices

_WAIT = 0.12
"""Seconds after the last key before the page is narrowed."""


class FilterLine(Horizontal):
    """The third line of the screen."""

    DEFAULT_CSS = """
    FilterLine { height: 1; }
    FilterLine > .edits { display: none; }
    FilterLine.-editing > .edits { display: block; }
    FilterLine.-editing > FilterShow { display: none; }
    """

    class Left(Message):
        """The line is no longer edited; focus belongs to the page."""

    def __init__(
        self,
        page: Callable[[], Narrowed | None],
        values: Callable[[str, str], list[str]],
        choices: Choices,
        *,
        dropped: Callable[[], str] = lambda: "",
        id: str | None = None,
    ) -> None:
        """Narrow what *page* returns; *values* completes, *choices* remembers."""
        super().__init__(id=id, classes="bar")
        self._page = page
        self._values = values
        self._choices = choices
        self.show = FilterShow(page, dropped)
        self.input = FilterEdit(self._asked, select_on_focus=False, classes="edits")
        self.input.cursor_blink = False
        self._count = FilterCount(page)
        self._prompt = Prompt()
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
        self.screen.set_focus(self.input)  # at once: what comes next is text
        self._look()
        self.call_after_refresh(self.bring)

    def leave(self) -> None:
        """Stop editing; what was applied last stays."""
        if not self.is_editing:
            return
        self._stop_timer()
        self.remove_class("-editing")
        self.hints.hide()
        self.screen.set_focus(None)  # at once: what comes next is no text
        self.call_after_refresh(self.bring)
        self.post_message(self.Left())

    def on_input_changed(self, event: Input.Changed) -> None:
        """Check at once, apply a little later."""
        event.stop()
        if not self.is_editing:
            return
        self._look()
        self._apply_soon()

    def _keep(self) -> None:
        """Keep the filter; one that cannot be understood is not left."""
        self._stop_timer()
        self._check()
        if self._error[0] or not self._apply():
            return
        page = self._page()
        self._remember((page.filter_text if page else "") or "")
        self.leave()

    def _asked(self, what: str) -> None:
        """Do what a key in the editor asks for."""
        match what:
            case "left":
                self._restore()
            case "keep":
                self._keep()
            case "clear":
                self.input.value = ""
            case "older":
                self._recall(-1)
            case "newer":
                self._recall(1)
            case _:
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

    def _apply_soon(self) -> None:
        self._stop_timer()
        if not self._error[0]:
            self._timer = self.set_timer(_WAIT, self._apply)

    def _look(self) -> None:
        """Check what is written, and offer what may follow."""
        self._check()
        at = self.input.cursor_position
        self._completion = (
            Completion()
            if self._seeks_words
            else complete(self.input.value, at, self._values)
        )
        self._hint()

    @property
    def _seeks_words(self) -> bool:
        page = self._page()
        return page is not None and page.seeks_words

    def _check(self) -> None:
        self._error = ("", 0)
        if self._seeks_words:
            return
        try:
            parse(self.input.value)
        except FilterError as error:
            self._error = (error.reason, error.position)

    def _hint(self) -> None:
        reason, position = self._error
        text = clean(self.input.value[:position])
        left = self.input.region.x - self.input.scroll_offset.x
        self.hints.tell(
            self.region.y + 1,
            Fault(reason=reason, x=left + cell_len(text)) if reason else None,
            self._completion,
            left + cell_len(self.input.value[: self._completion.start]),
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
        if len(completion.offers) == 1:
            self._look()  # there is nothing else to turn to: what may follow it?
        self._check()
        self._hint()
        self._apply_soon()

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
        if text and not self._seeks_words:
            self._choices.remember(text)
            self._choices.save()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

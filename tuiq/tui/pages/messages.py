"""The page Messages: one row per message, and what can be said about each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiq.tui.look.text import clean
from tuiq.tui.pages.message_list import ListPage
from tuiq.tui.pages.message_rows import MessageRows
from tuiq.tui.pages.message_tabs import Section

if TYPE_CHECKING:
    from tuiq.tui.grid.model import Key


class MessagesPage(ListPage):
    """All messages, or those that match."""

    page_name = "messages"
    page_title = "Messages"
    noun = "message"
    model: MessageRows

    def make_model(self) -> MessageRows:
        """Return the rows of the view."""
        return MessageRows(
            self.world.messages,
            self.view,
            lambda: self.around,
            now=self.ages,
        )

    def meant(self, key: Key | None) -> tuple[str, int | None]:
        """Return the message of a row."""
        return (key if isinstance(key, str) else "", None)

    def count_ages_from(self, now: float) -> None:
        """Say ages as of *now* from here on."""
        self.model.now = now

    def scope(self, count: int) -> str:
        """Return ``2 marked``, ``all 1,842 that match dom:x``, or the one id."""
        if not count:
            return str(self.grid.cursor)
        if count < self.view.count:
            return f"{count:,} marked"
        text = clean(self.view.filter)
        return f"all {count:,}" + (f" that match {text}" if text else " messages")

    def focus_on(self, key: object) -> None:
        """Move the cursor to a message, or open it at a recipient: (id, slot)."""
        if isinstance(key, tuple):
            queue_id, slot = key
            self.go_to_message(queue_id)
            self.show_message(queue_id, Section.RECIPIENTS, slot)
        elif isinstance(key, str):
            if self.message.is_open:
                self.back()
            self.go_to_message(key)

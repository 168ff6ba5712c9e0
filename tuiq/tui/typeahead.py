"""Keys in the order they were typed, also where a slow line brings many at once.

Textual hands each key to whatever has the focus when the key is read, and only then
learns what it does.  Of ``/dom:x``, read in one go, the letters would reach the list
as commands.  Here a command is done before the next key is looked at, and a question
takes no answer before it was on the screen.
"""

from __future__ import annotations

from textual import events
from textual.app import App
from textual.widgets import Input, TextArea

from tuiq.tui.dialog import Dialog


class TypeAhead(App[int], inherit_bindings=False):
    """An application that does one key after the other."""

    async def on_event(self, event: events.Event) -> None:
        """Do what a key is bound to at once; what is typed goes its usual way."""
        if not isinstance(event, events.Key) or event.is_forwarded:
            await super().on_event(event)
            return
        screen = self.screen_stack[-1] if self.screen_stack else None
        if isinstance(screen, Dialog) and not screen.is_seen:
            screen.typed_early(event)
            return
        line = self.focused
        if isinstance(line, Input | TextArea) and line.check_consume_key(
            event.key, event.character
        ):
            with line._context():
                await line._dispatch_message(event)
        elif not await self._check_bindings(event.key):
            await super().on_event(event)

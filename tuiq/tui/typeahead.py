"""Keys in the order they were typed, also where a slow line brings many at once.

Textual hands each key to whatever has the focus when the key is read, and only then
learns what it does.  Of ``/dom:x``, read in one go, the letters would reach the list
as commands.  Here a command is done before the next key is looked at, and a question
takes no answer before it was on the screen.  While what a key meant is read, the keys
after it wait: a question may come of it, and then they are not for the page.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from textual import events
from textual.app import App
from textual.widgets import Input, TextArea

from tuiq.tui.dialog import Dialog


class TypeAhead(App[int], inherit_bindings=False):
    """An application that does one key after the other."""

    def __init__(self, **dress: Any) -> None:
        """Wait for no key to be done before others."""
        super().__init__(**dress)
        self._typed: deque[events.Key] = deque()
        self._is_holding = False

    def hold_keys(self) -> None:
        """Let the keys that come now wait for ``let_keys_go``."""
        self._is_holding = True

    def let_keys_go(self) -> None:
        """Do the keys that waited, in their order, and those that come."""
        self._is_holding = False
        self.call_next(self._do_typed)

    async def _do_typed(self) -> None:
        while self._typed and not self._is_holding:
            await self._do_key(self._typed.popleft())

    async def on_event(self, event: events.Event) -> None:
        """Do what a key is bound to at once; what is typed goes its usual way."""
        if not isinstance(event, events.Key) or event.is_forwarded:
            await super().on_event(event)
            return
        self._typed.append(event)
        await self._do_typed()

    async def _do_key(self, event: events.Key) -> None:
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

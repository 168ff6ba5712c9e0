"""Pilots that wait until the application has done what a key asks for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
import textual.app
import textual.pilot
from textual._context import active_app

from tests.tui.world import PATIENCE
from tuiq.tui.dialog import Dialog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.app import App
    from textual.message_pump import MessagePump


@pytest.fixture(autouse=True)
def patient_pilots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pilots wait for what is to be done, instead of for an idle processor.

    Textual's take a process that hardly computed for 20 ms for one that is done, and
    so does every process for which a busy machine has no time.
    """
    for module in (textual.app, textual.pilot):
        monkeypatch.setattr(module, "wait_for_idle", _rest)


async def _rest(*_: float) -> None:
    """Wait until the application has nothing more to do; threads go on."""
    app = active_app.get()
    deadline = time.monotonic() + PATIENCE
    was_busy = True
    while was_busy or _is_busy(app):
        assert time.monotonic() < deadline, "the application does not come to rest"
        was_busy = _is_busy(app)
        await textual.pilot.Pilot(app)._wait_for_screen()
        app.screen._on_timer_update()


def _is_busy(app: App[Any]) -> bool:
    """Say whether a message, a resize or a drawing is due."""
    if app._exit or not app.screen_stack:
        return False
    screen = app.screen_stack[-1]
    if isinstance(screen, Dialog) and not screen.is_seen:
        return True
    drawing = (
        app._resize_event,
        screen._layout_required,
        screen._scroll_required,
        screen._repaint_required,
        screen._recompose_required,
        screen._dirty_widgets,
        screen._callbacks,
    )
    return any(drawing) or any(
        pump._next_callbacks or not pump._message_queue.empty() for pump in _pumps(app)
    )


def _pumps(app: App[Any]) -> Iterator[MessagePump]:
    yield app
    for screen in app.screen_stack:
        yield from screen.walk_children(with_self=True)

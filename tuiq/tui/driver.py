"""Textual's driver for Linux terminals, made safe for slow, stalled and lost ones.

Textual's own waits in the event loop when the terminal is not read, takes up a dead
terminal again after a hang-up, and spins on its end of file.  Only this module names
private parts of Textual; ``tests/tui/terminal`` fails when one of them vanishes.
"""

from __future__ import annotations

import os
import selectors
import signal
from codecs import getincrementaldecoder
from typing import TYPE_CHECKING, Any

from textual import constants
from textual._ansi_sequences import SYNC_END, SYNC_START
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver

from tuiq.tui.outlet import Outlet
from tuiq.tui.thrift import Thrift

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import App

_SLOW_ESCAPE = 0.25
"""Seconds between Esc and the rest of a key's bytes that a slow link may take."""

# Mouse movements and the terminal's focus cost bytes and repaints, and tell tuiq
# nothing; SIGWINCH tells of resizes.
_UNWANTED = frozenset(
    {
        "\x1b[?1003h", "\x1b[?1003l", "\x1b[?1015h", "\x1b[?1015l", "\x1b[?1016h",
        "\x1b[?1004h", "\x1b[?1004l", "\x1b[?2048$p",
    }
)  # fmt: skip
# Consoles of older kernels print parts of what they do not know.
_NOT_ON_CONSOLE = ("\x1b]", "\x1b[>", "\x1b[<", "\x1b[?2026", "\x1b[?2004")


class TerminalDriver(LinuxDriver):
    """Never waits for the terminal, and leaves when it is gone."""

    def __init__(
        self,
        app: App[Any],
        *,
        debug: bool = False,
        mouse: bool = True,
        size: tuple[int, int] | None = None,
    ) -> None:
        """Drive *app*; called by Textual."""
        self._outlet: Outlet | None = None
        self._thrift = Thrift()
        self._opening = ""
        """The beginning of a frame, held back until something is in it."""
        self._asleep = False
        self._gone = False
        self._told_to_end = False
        self._before: dict[int, Any] = {}
        """What was done at signals before tuiq took them."""
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        # The kernel may hand a signal to any thread; only the loop's own handlers
        # (and with one of them, everybody's) wake a loop that waits in another.
        self._loop.add_signal_handler(signal.SIGCONT, self._sigcont_application)
        self._out = self._file.fileno() if self._file else 2
        # Else Textual believes COLUMNS, and lays the screen out for ever.
        self._size = size or self._measured()
        self._console = os.environ.get("TERM") == "linux"
        if "SSH_CONNECTION" in os.environ and "ESCDELAY" not in os.environ:
            constants.ESCAPE_DELAY = _SLOW_ESCAPE  # type: ignore[misc]

    @property
    def mouse(self) -> bool:
        """Return whether the mouse is tuiq's."""
        return self._mouse

    @mouse.setter
    def mouse(self, wanted: bool) -> None:
        self._disable_mouse_support()
        self._mouse = wanted
        self._enable_mouse_support()

    @property
    def dropped(self) -> int:
        """Return how many frames the terminal was too slow for since it was opened."""
        return self._outlet.dropped if self._outlet else 0

    # What goes to the terminal

    def write(self, data: str) -> None:
        """Send what *data* changes, or drop it: everything is drawn again later."""
        unwanted = data in _UNWANTED or (
            self._console and data.startswith(_NOT_ON_CONSOLE)
        )
        if not self._outlet or self._gone or unwanted:
            return
        if data == SYNC_START:
            self._opening = data
        elif data == SYNC_END and self._opening:  # nothing came between
            self._opening = ""
        elif data := self._thrift.frame(data) if _is_frame(data) else data:
            taken = self._outlet.put(self._opening + data)
            self._opening = ""
            if not taken or not self._fits():
                self._thrift.forget()

    def redraw(self) -> None:
        """Draw the whole screen again, whatever stands there."""
        self._thrift.forget()
        self._app.refresh()

    def start_application_mode(self) -> None:
        """Take the terminal over."""
        if self._gone:
            return
        self._outlet = Outlet(
            self._out,
            caught_up=self._soon(self.redraw),
            lost=self._soon(self._hang_up),
        )
        self._outlet.start()
        self._thrift.forget()
        for number in (signal.SIGHUP, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._on_signal)
        super().start_application_mode()  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Write what is left, and end."""
        if self._outlet is not None:
            self._outlet.close()
            self._outlet = None
        while self._before:
            signal.signal(*self._before.popitem())
        super().close()

    def _get_terminal_size(self) -> tuple[int, int]:
        """Return the size of the terminal that is written to, whatever COLUMNS says.

        Textual asks at each resize; afterwards anything may stand on the terminal.
        """
        self._soon(self.redraw)()
        return self._measured()

    def _measured(self) -> tuple[int, int]:
        try:
            width, height = os.get_terminal_size(self._out)
        except OSError:
            width = height = 0
        return width or 80, height or 24

    def _fits(self) -> bool:
        """Return whether what is drawn is laid out for the terminal as it is now."""
        screens = self._app.screen_stack
        return bool(screens) and screens[-1].outer_size == self._measured()

    # What comes from it

    def run_input_thread(self) -> None:
        """Read keys until the end; an end of file is that of the terminal."""
        parser = XTermParser(self._debug)
        decode = getincrementaldecoder("utf-8")("replace").decode
        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                if selector.select(0.1):
                    data = self._read()
                    if not data:
                        self._soon(self._hang_up)()
                        return
                    for event in parser.feed(decode(data)):
                        self.process_message(event)
                for event in parser.tick():
                    self.process_message(event)

    def _read(self) -> bytes:
        try:
            return os.read(self.fileno, 4096)
        except OSError:
            return b""

    # What becomes of it

    def _on_signal(self, number: int, _frame: object) -> None:
        """Leave; at once if that was asked for twice."""
        if number == signal.SIGHUP:
            self._soon(self._hang_up)()
        elif self._told_to_end:
            self.stop_application_mode()
            self.close()
            os._exit(128 + number)
        else:
            self._told_to_end = True
            self._soon(self._app.exit)(return_code=128 + number)

    def _hang_up(self) -> None:
        """Leave without the terminal."""
        if not self._gone:
            self._gone = True
            self.exit_event.set()
            self._app.exit(return_code=128 + signal.SIGHUP)

    def _soon(self, call: Callable[..., object]) -> Callable[..., None]:
        """Return a function that has *call* done by the event loop, from any thread."""

        def soon(**arguments: Any) -> None:
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(lambda: call(**arguments))

        return soon

    def _sigtstp_application(self, *_: object) -> None:
        """Go to sleep, the terminal given back first, where a shell can wake tuiq.

        Its whole process group sleeps: a script that started it would else wait.
        """
        group = os.getpgrp()
        if group == os.getsid(0):  # started without a shell that controls jobs
            return
        self._asleep = True
        if self._auto_restart:
            self.suspend_application_mode()
            self._must_signal_resume = True
        os.killpg(group, signal.SIGSTOP)

    def _sigcont_application(self, *_: object) -> None:
        """Wake up; a hang-up wakes too, and then there is no terminal to take."""
        try:
            in_front = os.tcgetpgrp(self.fileno) == os.getpgrp()
        except OSError:
            return
        if self._asleep and not in_front:  # "bg": nothing to do without the terminal
            os.killpg(os.getpgrp(), signal.SIGSTOP)
        elif self._asleep:
            self._asleep = False
            super()._sigcont_application()
        self._soon(self.redraw)()


def _is_frame(data: str) -> bool:
    """Return whether *data* draws something; all else switches or asks."""
    return not data.startswith(("\x1b[?", "\x1b[<", "\x1b[>", "\x1b]"))

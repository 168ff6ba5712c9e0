"""A program with one grid, for trying the driver: ``python -m … --rows 100``."""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.tui.grid.sample import Rows, Stand
from tuiq.tui.driver import TerminalDriver

HOSTILE = (
    "\x1b]0;owned\x07\x1b[2J", "\x9b31m\x9d0;owned\x9c", "a\rb\nc\td\x08e\x0e",
    "\x1bP$q\x1b\\", "[b]markup[/b]", "\u202egnp.exe\u2066x\u2069", "\x7f\x00\x85",
    "\u200bzero\ufeff\u2028line", "e\u0301\u0301\u0301", "漢字 👩\u200d👩 🇩🇪 👍🏽 שלום",
)  # fmt: skip
"""What mail may put into a cell."""


class Beating(Stand):
    """Adds a byte to a file while its loop runs; changes rows at each tick."""

    def __init__(self, rows: Rows, *, beats: Path | None, tick: float) -> None:
        super().__init__(rows)
        self.rows = rows
        self._beats = beats
        self._every = tick
        self._ticks = 0

    def on_mount(self) -> None:
        super().on_mount()
        self.bind("q", "quit")
        self.bind("ctrl+z", "suspend_process")
        self.bind("ctrl+l", "redraw")
        self.bind("f", "focus_off_and_on")
        if self._beats:
            self._beats.touch()
            self.set_interval(0.05, self._beat)
        if self._every:
            self.set_interval(self._every, self._tick)

    def action_redraw(self) -> None:
        assert isinstance(self._driver, TerminalDriver)
        self._driver.redraw()

    def action_focus_off_and_on(self) -> None:
        self.set_focus(None if self.focused else self.grid)

    def _beat(self) -> None:
        assert self._beats is not None
        with self._beats.open("ab") as file:
            file.write(b".")

    def _tick(self) -> None:
        """Change eight of the rows that are in sight."""
        self._ticks += 1
        for n in range(8):
            key = self.rows.key_at((n * 3) % self.rows.count)
            self.rows.change(key, "age", f"{self._ticks}s")
        self.grid.changed()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--beats", type=Path)
    parser.add_argument("--tick", type=float, default=0.0)
    parser.add_argument("--hostile", action="store_true")
    parser.add_argument("--mouse", action="store_true")
    options = parser.parse_args()
    rows = Rows(f"k{n:04}" for n in range(options.rows))
    if options.hostile:
        for n, key in enumerate(rows.order):
            for column in rows.columns:
                rows.change(key, column.id, HOSTILE[n % len(HOSTILE)])
    app = Beating(rows, beats=options.beats, tick=options.tick)
    app.driver_class = TerminalDriver
    app.run(mouse=options.mouse)
    raise SystemExit(app.return_code or 0)


if __name__ == "__main__":
    main()

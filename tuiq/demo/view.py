"""How ``tuiq demo`` shows itself: plain lines, or one region redrawn in place."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol, TextIO

from tuiq.demo.frame import Style, frame
from tuiq.demo.scene import ABOUT, clock, export, sums

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuiq.demo.scene import Scene

EVERY = 3.0
"""Seconds between two lines of figures without a terminal."""


class View(Protocol):
    """Something that shows scenes."""

    def show(self, scene: Scene) -> None:
        """Show how things are."""
        ...


class Lines:
    """Plain lines: each story once, the figures every few seconds."""

    def __init__(self, stream: TextIO) -> None:
        """Write to *stream*."""
        self._stream = stream
        self._begun = False
        self._told = 0
        self._next = EVERY

    def show(self, scene: Scene) -> None:
        """Write what is new."""
        if not self._begun:
            self._begun = True
            self._write(f"tuiq demo: {ABOUT}; Ctrl+C ends it")
            self._write(f"look around from another terminal: {export(scene)}\n")
        for when, story in scene.stories[self._told :]:
            self._write(f"{clock(when):>5}  {story}")
        self._told = len(scene.stories)
        if scene.elapsed >= self._next:
            self._next = scene.elapsed + EVERY
            figures = "  ".join([*sums(scene), f"{scene.rate:,.0f}/s"])
            self._write(f"{clock(scene.elapsed):>5}  {figures}")

    def _write(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()


class Region:
    """The lower part of a terminal, redrawn in place by plain ANSI sequences.

    The cursor rests below the region and stays visible: whatever ends the process,
    the terminal is fit for use.
    """

    def __init__(self, stream: TextIO, style: Style) -> None:
        """Draw on the terminal behind *stream*."""
        self._stream = stream
        self._style = style
        self._height = 0
        self._size: os.terminal_size | None = None

    def show(self, scene: Scene) -> None:
        """Draw the scene over the one before."""
        size = os.get_terminal_size(self._stream.fileno())
        if self._size not in (None, size):
            # A resize moves lines about in ways that nobody can know.
            self._stream.write("\x1b[H\x1b[J")
            self._height = 0
        self._size = size
        lines = frame(scene, size.columns, size.lines - 1, self._style)
        up = f"\x1b[{self._height}A" if self._height else ""
        text = "".join(f"{line}\x1b[K\n" for line in lines)
        self._stream.write(f"{up}\r{text}\x1b[J")
        self._stream.flush()
        self._height = len(lines)


class Unseen:
    """Nothing: the UI shows the spool itself.  Says where that is."""

    def __init__(self, stream: TextIO) -> None:
        """Write the line to *stream* once the spool is there."""
        self._stream = stream
        self._told = False

    def show(self, scene: Scene) -> None:
        """Tell where the spool is."""
        config = scene.directory / "tuiq.toml"
        if not self._told and config.exists():
            self._told = True
            print(config, file=self._stream, flush=True)


def view_for(stream: TextIO, environ: Mapping[str, str]) -> View:
    """Return the view that fits *stream*."""
    if not stream.isatty() or environ.get("TERM", "dumb") == "dumb":
        return Lines(stream)
    return Region(stream, Style(colour=not environ.get("NO_COLOR")))

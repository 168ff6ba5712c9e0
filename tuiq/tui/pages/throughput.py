"""Plots of rates over a window of time that the operator makes longer and shorter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.containers import Container

from tuiq.actions.words import HOUR, MINUTE
from tuiq.tui.look.plot import Plot
from tuiq.tui.look.roles import Role
from tuiq.tui.pages.board import GRID, Board

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from tuiq.tui.live.lookout import Lookout
    from tuiq.tui.look.palette import Palette

WINDOWS = (MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 6 * HOUR)
WORDS = ("1 min", "5 min", "15 min", "1 h", "6 h")
_LEAST, _MOST = 5, 10
"""Lines of a plot."""
Curve = tuple[str, str, str, Role]
"""Title, unit, the name in the lookout's history, and the role of its colour."""


class Throughput(Container):
    """Plots in two columns, or below each other where it is narrow."""

    DEFAULT_CSS = """
    Throughput { layout: grid; grid-size: 2; grid-gutter: 0 1; height: 16; }
    Throughput.-narrow { grid-size: 1; }
    Throughput > .-surplus { display: none; }
    """

    def __init__(
        self,
        lookout: Lookout,
        curves: Sequence[Curve],
        palette: Callable[[], Palette],
        *,
        id: str | None = None,
    ) -> None:
        """Plot *curves*, the most important first."""
        super().__init__(id=id)
        self._lookout = lookout
        self._palette = palette
        self._curves = curves
        self._window = 1
        self.plots: list[Plot] = []

    def compose(self) -> ComposeResult:
        """Make the plots."""
        for title, unit, name, role in self._curves:
            plot = Plot(
                title,
                unit,
                self._series(name),
                palette=self._palette,
                role=role,
                window=lambda: self.word,
            )
            self.plots.append(plot)
            yield plot

    def _series(self, name: str) -> Callable[[int], Sequence[float]]:
        return lambda count: self._lookout.points(name, self.seconds, count)

    @property
    def seconds(self) -> int:
        """Return how far back the plots go."""
        return WINDOWS[self._window]

    @property
    def word(self) -> str:
        """Return the same for people."""
        return WORDS[self._window]

    def why_not(self, longer: bool) -> str:
        """Say why the window cannot become longer, or shorter."""
        if not self.display:
            return "no room for plots in this window; make it higher"
        if longer and self._window == len(WINDOWS) - 1:
            return f"{self.word} is the longest"
        return "" if longer or self._window else f"{self.word} is the shortest"

    def change(self, *, longer: bool) -> None:
        """Plot a longer or a shorter time."""
        step = 1 if longer else -1
        self._window = min(max(self._window + step, 0), len(WINDOWS) - 1)
        self.bring()

    def bring(self) -> None:
        """Plot what there is now."""
        if self.display:
            for plot in self.plots:
                if plot.display:
                    plot.update()

    def fit(self, width: int, lines: int) -> None:
        """Take up to *lines* lines; hide what cannot be drawn in them."""
        columns = 1 if width < 70 else 2
        rows = min(lines // _LEAST, -(-len(self._curves) // columns))
        self.display = rows > 0
        self.set_class(columns == 1, "-narrow")
        self.styles.height = min(lines, rows * _MOST) if rows else 0
        for number, plot in enumerate(self.plots):
            plot.set_class(number >= rows * columns, "-surplus")


class Plotted(Board):
    """A page with plots below its grids."""

    takes: ClassVar[frozenset[str]] = GRID | {"plot-shorter", "plot-longer"}
    throughput: Throughput

    def status(self) -> str:
        """Return the order of the rows and the time that is plotted."""
        plots = f"   plots {self.throughput.word}" if self.throughput.display else ""
        return f"sort {self.active.model.sorted_by[0]}{plots}"

    def why_not(self, command: str) -> str:
        """Return why a command cannot work now, as one short phrase; empty: it can."""
        if command in ("plot-shorter", "plot-longer"):
            return self.throughput.why_not(command == "plot-longer")
        return super().why_not(command)

    def perform(self, command: str) -> None:
        """Do one of the commands in ``takes``."""
        if command in ("plot-shorter", "plot-longer"):
            self.throughput.change(longer=command == "plot-longer")
        else:
            super().perform(command)

"""The column chooser: the grid behind it shows at once what is chosen."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from tuiq.tui.choosers.arrangement import Arrangement
from tuiq.tui.choosers.menu import Menu
from tuiq.tui.dialog import Dialog
from tuiq.tui.grid.layout import arrange, chosen
from tuiq.tui.look.text import fit

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from tuiq.tui.grid.grid import Grid
    from tuiq.tui.shell import Shell


def choose_columns(shell: Shell, grid: Grid) -> None:
    """Have the columns of *grid* chosen; its choice is changed and saved.

    ``grid.choice`` must be the page's own, ``choices.grid(page)``.
    """
    choice = grid.choice
    before = list(choice.columns), dict(choice.widths)

    def show(columns: list[str], widths: dict[str, int]) -> None:
        choice.columns, choice.widths = columns, widths
        grid.changed()

    def then(kept: bool | None) -> None:
        if not kept:
            show(*before)
        elif complaint := shell.world.choices.save():
            shell.tell(complaint, bad=True)

    columns = grid.model.columns
    layout = arrange(chosen(columns, choice), grid.size.width, grid.focused_column)
    drawn = {placed.column.id: placed.width for placed in layout.drawn}
    shell.ask(ColumnChooser(Arrangement(columns, choice, drawn), show), then)


class ColumnChooser(Dialog[bool]):
    """Answers True when the arrangement is to be kept."""

    DEFAULT_CSS = """
    ColumnChooser { align: center bottom; background: transparent; }
    ColumnChooser > #frame { max-height: 70%; min-height: 8; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "show_or_hide", show=False),
        Binding("J,shift+down", "move(1)", show=False),
        Binding("K,shift+up", "move(-1)", show=False),
        Binding("less_than_sign", "widen(-1)", show=False),
        Binding("greater_than_sign", "widen(1)", show=False),
        Binding("0", "unwiden", show=False),
        Binding("r", "reset", show=False),
    ]
    _HINTS: ClassVar[tuple[tuple[str, str], ...]] = (
        ("space", "show or hide"),
        ("shift+down", "move"),
        ("less_than_sign", "narrower"),
        ("greater_than_sign", "wider"),
        ("0", "own width"),
        ("r", "reset all"),
        ("enter", "keep"),
        ("escape", "as it was"),
    )

    def __init__(
        self,
        arrangement: Arrangement,
        show: Callable[[list[str], dict[str, int]], None],
    ) -> None:
        """Change *arrangement*; *show* is called with columns and widths each time."""
        super().__init__("Columns", hints=self._HINTS)
        self._arrangement = arrangement
        self._show = show

    def body(self) -> ComposeResult:
        """Yield the list."""
        yield Menu()

    def on_mount(self) -> None:
        """Show the columns."""
        self._menu.show(self._lines(), 0)

    def on_option_list_option_selected(self) -> None:
        """Keep it."""
        self.dismiss(True)

    def action_show_or_hide(self) -> None:
        """Show the column, or hide it."""
        complaint = self._arrangement.toggle(self._at)
        self.complain(complaint)
        self._changed()

    def action_move(self, by: int) -> None:
        """Move the column, and the cursor with it."""
        self._changed(self._arrangement.move(self._at, by))

    def action_widen(self, by: int) -> None:
        """Change the width."""
        self._arrangement.widen(self._at, by)
        self._changed()

    def action_unwiden(self) -> None:
        """Let the column have its own width."""
        self._arrangement.unwiden(self._at)
        self._changed()

    def action_reset(self) -> None:
        """Take all choices back."""
        self._arrangement.reset()
        self._changed(0)

    @property
    def _menu(self) -> Menu:
        return self.query_one(Menu)

    @property
    def _at(self) -> int:
        return self._menu.highlighted or 0

    def _changed(self, at: int | None = None) -> None:
        self._menu.show(self._lines(), self._at if at is None else at)
        self._show(self._arrangement.columns, self._arrangement.widths)

    def _lines(self) -> list[str]:
        numbers = range(len(self._arrangement.order))
        return [self._line(number) for number in numbers]

    def _line(self, at: int) -> str:
        column = self._arrangement.column(at)
        sign = "[x]" if self._arrangement.is_shown(at) else "[ ]"
        width = self._arrangement.width(at)
        cells = f"{width} cells" if width else ""
        title = fit(column.title or column.id, 14)
        return f"{sign} {title} {fit(cells, 9)} {column.gloss}".rstrip()

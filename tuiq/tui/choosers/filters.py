"""Filters kept under names: keep the one in force, take one up, rename, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widgets import Input, Static

from tuiq.tui.choosers.menu import Menu
from tuiq.tui.dialog import Dialog
from tuiq.tui.look.text import clean, fit

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult

    from tuiq.tui.choices import Choices
    from tuiq.tui.shell import Shell

_LONGEST = 40
"""Characters of a name."""


def choose_filter(shell: Shell, now: str, take: Callable[[str], None]) -> None:
    """Open the saved filters; *now* is the one in force, *take* puts one in force."""

    def then(chosen: str | None) -> None:
        if chosen is not None:
            take(chosen)

    shell.ask(SavedFilters(shell.world.choices, now), then)


class SavedFilters(Dialog[str]):
    """Answers the text of the filter that is to be put in force.

    What is kept, renamed or deleted is saved at once; ``u`` takes back what was
    deleted or overwritten while the dialog was open.
    """

    DEFAULT_CSS = """
    SavedFilters #about { color: $text-muted; }
    SavedFilters Input { margin: 0 0 1 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab,shift+tab", "other", show=False, priority=True),
        Binding("r", "rename", show=False),
        Binding("D", "delete", show=False),
        Binding("u", "undo", show=False),
    ]
    _NAMING: ClassVar[tuple[tuple[str, str], ...]] = (
        ("enter", "keep"),
        ("tab", "saved ones"),
        ("escape", "leave"),
    )
    _LISTING: ClassVar[tuple[tuple[str, str], ...]] = (
        ("enter", "use"),
        ("r", "rename"),
        ("D", "delete"),
        ("u", "undo"),
        ("escape", "leave"),
    )

    def __init__(self, choices: Choices, now: str) -> None:
        """Work on the filters in *choices*; *now* may be empty."""
        super().__init__("Saved filters", hints=self._NAMING if now else self._LISTING)
        self._choices = choices
        self._now = now
        self._renaming = ""
        self._before: list[dict[str, str]] = []

    def body(self) -> ComposeResult:
        """Yield the field for a name, and the list."""
        yield Static(id="about", markup=False)
        yield Input(max_length=_LONGEST, placeholder="name", select_on_focus=False)
        yield Menu()

    def on_mount(self) -> None:
        """Begin with a name for the filter in force, else with the list."""
        self._list(0)
        if self._now:
            self._ask_name("")
        else:
            self._leave_name()

    @property
    def _menu(self) -> Menu:
        return self.query_one(Menu)

    @property
    def _field(self) -> Input:
        return self.query_one(Input)

    @property
    def _names(self) -> list[str]:
        return sorted(self._choices.filters, key=str.casefold)

    def _focused_name(self) -> str:
        at = self._menu.highlighted
        return "" if at is None else self._names[at]

    # -- the list ----------------------------------------------------------------

    def _list(self, at: int) -> None:
        filters = self._choices.filters
        names = self._names
        width = min(max((len(name) for name in names), default=0), _LONGEST)
        lines = [f"{fit(clean(n), width)}  {clean(filters[n])}" for n in names]
        self._menu.show(lines, at)
        self._menu.display = bool(lines)

    @on(Menu.OptionSelected)
    def _use(self, event: Menu.OptionSelected) -> None:
        self.dismiss(self._choices.filters[self._names[event.option_index]])

    def action_delete(self) -> None:
        """Delete the filter under the cursor."""
        name, at = self._focused_name(), self._menu.highlighted or 0
        if name:
            self._remember()
            del self._choices.filters[name]
            self._saved(at, f'"{name}" is deleted; u takes it back.')

    def action_undo(self) -> None:
        """Take back the last change."""
        if self._before:
            self._choices.filters = self._before.pop()
            self._saved(0, "")

    def action_rename(self) -> None:
        """Ask for another name of the filter under the cursor."""
        if name := self._focused_name():
            self._ask_name(name)

    def action_other(self) -> None:
        """Go to the list, or back to the name."""
        if self._field.has_focus and self._names:
            self._leave_name()
        elif self._now and not self._field.has_focus:
            self._ask_name("")

    # -- the name ----------------------------------------------------------------

    def _ask_name(self, old: str) -> None:
        """Show the field, for the filter in force or for another name of *old*."""
        self._renaming = old
        text = f'Rename "{old}" to' if old else f"Keep  {self._now}  as"
        self._about(text)
        self._field.display = True
        self._field.value = old
        self._field.cursor_position = len(old)
        self._field.focus()
        self.show_hints(self._NAMING)

    def _leave_name(self) -> None:
        """Go to the list; without the filter in force there is no field."""
        self._renaming = ""
        none_yet = "None yet: filter first, then come back to keep it."
        text = f"Keep  {self._now}  as" if self._now else none_yet
        self._about("" if self._names and not self._now else text)
        self._field.display = bool(self._now)
        self._menu.focus()
        self.show_hints(self._LISTING if self._names else (("escape", "leave"),))

    def _about(self, text: str) -> None:
        about = self.query_one("#about", Static)
        about.update(clean(text))
        about.display = bool(text)

    @on(Input.Changed)
    def _warn(self, event: Input.Changed) -> None:
        name = event.value.strip()
        taken = name != self._renaming and self._choices.filters.get(name)
        self.complain(f"Replaces  {clean(taken)}" if taken else "")

    @on(Input.Submitted)
    def _named(self, event: Input.Submitted) -> None:
        name = event.value.strip()
        if not name:
            self.complain("A name is wanted, for the list and the command palette.")
            return
        filters = self._choices.filters
        self._remember()
        if self._renaming:
            filters[name] = filters.pop(self._renaming)
            self._saved(self._names.index(name), "")
            return
        filters[name] = self._now
        complaint = self._choices.save()
        self.shell.tell(complaint or f'Kept as "{name}"', bad=bool(complaint))
        self.dismiss(None)

    def action_leave(self) -> None:
        """Leave the renaming, or the dialog."""
        if self._renaming:
            self._leave_name()
        else:
            self.dismiss(None)

    def _remember(self) -> None:
        self._before.append(dict(self._choices.filters))

    def _saved(self, at: int, text: str) -> None:
        """Save, show the list, and say *text* or what went wrong."""
        complaint = self._choices.save()
        self._list(at)
        self._leave_name()
        if text:
            self._about(text)
        self.complain(clean(complaint))

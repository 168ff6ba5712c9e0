"""Jump labels: one letter for everything that can be focused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.screen import ModalScreen
from textual.widgets import Static

from tuiq.tui.keymap import shown_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from textual import events
    from textual.app import ComposeResult
    from textual.geometry import Offset


_LETTERS = "asdfghjklqwertyuiopzxcvbnm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Something to jump to."""

    at: Offset
    go: Callable[[], object]
    key: str = ""
    """The key it is known by, as Textual names it; empty: a letter that is free."""


class Jump(ModalScreen[Target]):
    """Letters over the screen; the next key goes there, any other leaves."""

    DEFAULT_CSS = """
    Jump { background: transparent; }
    Jump > .label {
        position: absolute; width: auto; height: 1; padding: 0 1;
        background: $accent; color: $background; text-style: bold;
    }
    Jump > .label:ansi { text-style: bold reverse; }
    """

    def __init__(self, targets: Iterable[Target]) -> None:
        """Offer *targets*."""
        super().__init__()
        self._targets = labelled(list(targets))

    def compose(self) -> ComposeResult:
        """Put a label at each target."""
        for key, target in self._targets.items():
            shown = shown_key(key, ascii=True)
            label = Static(shown, classes="label", markup=False)
            label.styles.offset = target.at
            yield label

    def on_key(self, event: events.Key) -> None:
        """Go where the key points."""
        event.stop()
        event.prevent_default()
        self.dismiss(self._targets.get(event.key))

    def on_click(self) -> None:
        """Leave."""
        self.dismiss(None)


def labelled(targets: Sequence[Target]) -> dict[str, Target]:
    """Return the targets by key; those beyond the letters get none."""
    found = {target.key: target for target in targets if target.key}
    free = iter(letter for letter in _LETTERS if letter not in found)
    for target in targets:
        if not target.key and (letter := next(free, "")):
            found[letter] = target
    return found

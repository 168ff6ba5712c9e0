"""What the command palette finds: commands, screens, filters, themes.

Pure but for what an entry runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from textual.fuzzy import FuzzySearch

from tuiq.actions.filter import FilterError, parse
from tuiq.tui.commands import COMMANDS, Group
from tuiq.tui.look.text import clean

if TYPE_CHECKING:
    from tuiq.tui.shell import Shell

_HIDDEN = frozenset({"palette", "down", "up", "page-down", "page-up", "first", "last"})
"""Nobody looks these up to have them done."""
_TELLING = 2
"""Letters of a screen's name that are enough before a filter."""
_DESTINATIONS = 8
"""Completions of a destination; more letters find the others."""
_SIGNS = frozenset(":=<>|/!()\"'")
"""What makes a text a filter rather than a name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that may be chosen; its texts are clean."""

    label: str
    run: Callable[[], object]
    gloss: str = ""
    key: str = ""
    why: str = ""
    """Why it cannot be done now; empty: it can."""


class Findings:
    """Everything that can be found on one screen at one moment."""

    def __init__(
        self,
        shell: Shell,
        *,
        page: str,
        pages: Sequence[tuple[str, str]],
        commands: Iterable[Entry],
        others: Sequence[Entry] = (),
        pause: Callable[[list[str]], object],
    ) -> None:
        """Look on the screen *page*; *pages* are names and titles of lists.

        *pause* asks about pausing a place, in words for ``pausing.place``.
        """
        self._shell = shell
        self._page = page
        self._titles = dict(pages)
        self._entries = [*commands, *self._filters(), *others]
        self._pause = pause
        self._search = FuzzySearch()

    def match(self, text: str) -> list[Entry]:
        """Return what fits to *text*, the best first; all of it to an empty one."""
        text = text.strip()
        if not text:
            return list(self._entries)
        scored = [
            (self._score(text, entry), -number, entry)
            for number, entry in enumerate(self._entries)
        ]
        found = [entry for score, _, entry in sorted(scored, key=_rank) if score > 0]
        as_filter = [self._narrowing(self._target(), text)]
        if _SIGNS & set(text):
            found = [*as_filter, *found]
        else:
            found += as_filter
        return [*self._directed(text), *found]

    def _score(self, text: str, entry: Entry) -> float:
        label, _ = self._search.match(text, entry.label)
        words = entry.gloss.lower()
        gloss = 0.1 if text.lower() in words else 0.0
        return label or gloss

    def _filters(self) -> Iterator[Entry]:
        for name, text in self._shell.world.choices.filters.items():
            yield Entry(
                label=f"Filter {clean(name)}",
                gloss=clean(text),
                run=partial(self._put, text),
            )

    def _put(self, text: str) -> None:
        self._shell.go(self._target(), filter=text)

    def _target(self) -> str:
        """Return the screen on which a filter is put by its text alone."""
        return self._page if self._page in self._titles else "messages"

    def _directed(self, text: str) -> Iterator[Entry]:
        """Yield what *text* means when its first word says where it belongs."""
        word, _, rest = text.partition(" ")
        word, rest = word.lower(), rest.strip()
        if len(word) < _TELLING or not rest:
            return
        for name in self._titles:
            if name.startswith(word):
                yield self._narrowing(name, rest)
        if "pause".startswith(word):
            yield from self._pausing(rest.lower())

    def _pausing(self, name: str) -> Iterator[Entry]:
        """Yield destinations that begin with *name*, and *name* itself."""
        known = self._shell.world.messages.values("dom", name, _DESTINATIONS)
        for one in dict.fromkeys((*known, name)):
            yield Entry(
                label=f"Pause {clean(one)}",
                gloss="start no attempts there for a while",
                run=partial(self._pause, ["destination", one]),
            )

    def _narrowing(self, page: str, text: str) -> Entry:
        why = ""
        try:
            parse(text)
        except FilterError as error:
            why = error.reason
        return Entry(
            label=f"{self._titles.get(page, page)}: {clean(text)}",
            gloss="show only what matches",
            why=clean(why),
            run=lambda: self._shell.go(page, filter=text),
        )


def command_entries(
    ids: Sequence[str],
    shell: Shell,
    key_of: Callable[[str], str],
    why_not: Callable[[str], str],
) -> Iterator[Entry]:
    """Yield the commands *ids* that are worth finding by their names."""
    for id in ids:
        command = COMMANDS[id]
        if id in _HIDDEN:
            continue
        going = command.group is Group.GO and id.startswith("go-")
        yield Entry(
            label=f"Go to {command.label}" if going else command.label,
            gloss=command.gloss,
            key=key_of(id),
            why=why_not(id),
            run=partial(shell.perform, id),
        )


def _rank(scored: tuple[float, int, Entry]) -> tuple[float, int]:
    score, order, _ = scored
    return -score, -order

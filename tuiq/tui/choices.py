"""The user's choices, kept by tuiq in a file of its own beside what people write.

``$XDG_CONFIG_HOME/tuiq/ui.toml``; a hand-written tuiq.toml is never touched.  Saving
reads the file again and changes in it what was changed here: two UIs, later versions
and people may all write into it, and comments stay where they are.
"""

from __future__ import annotations

import os
import re
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_LARGEST = 1024 * 1024
_REMEMBERED = 100
_Tables = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class GridChoice:
    """How one page's grid was set up."""

    columns: list[str] = field(default_factory=list)
    """Shown columns in order; empty: as they come."""
    widths: dict[str, int] = field(default_factory=dict)
    sort: str = ""
    reverse: bool = False


@dataclass(slots=True, kw_only=True)
class Choices:
    """What the user chose; ``save`` writes it at once."""

    path: Path | None = None
    """None: choices last as long as the UI (tests, read-only homes)."""
    theme: str = ""
    grids: dict[str, GridChoice] = field(default_factory=dict)
    filters: dict[str, str] = field(default_factory=dict)
    """Saved filters by name."""
    history: list[str] = field(default_factory=list)
    """Filters, the latest last."""
    keys: dict[str, str] = field(default_factory=dict)
    """Command id -> keys, instead of those it comes with."""
    pane: int = 0
    """Lines of the detail pane; 0: as it comes, -1: closed."""
    toured: bool = False
    hosts: Mapping[str, Any] = field(default_factory=dict)
    """Accents by glob, as people wrote them: see ``look.hosts``."""
    complaints: list[str] = field(default_factory=list)
    """What was wrong with the file, one sentence each; to be told once."""
    _stored: _Tables = field(default_factory=dict, repr=False, compare=False)
    """What of this is in the file, in the file's terms."""

    def grid(self, page: str) -> GridChoice:
        """Return the choice for a page's grid, for changing too."""
        return self.grids.setdefault(page, GridChoice())

    def remember(self, filter: str) -> None:
        """Put a filter at the end of the history, which keeps the latest hundred."""
        others = [one for one in self.history if one != filter]
        self.history = [*others, filter][-_REMEMBERED:]

    def save(self) -> str:
        """Write the file by rename; return the complaint if that failed."""
        if self.path is None:
            return ""
        ours = _tables(self)
        try:
            theirs, complaint = _take(self.path)
            _write(self.path, _edited(theirs, self._stored, ours))
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            return (
                f"{self.path}: {why.lower()}; what you choose lasts until tuiq ends, "
                "unless that is mended"
            )
        self._stored = ours
        return complaint


def place(environ: Mapping[str, str] = os.environ) -> Path:
    """Return where the user's choices are kept; themes lie beside it."""
    home = environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return Path(home) / "tuiq" / "ui.toml"


def load(path: Path) -> Choices:
    """Return the choices in a file; what is wrong with it becomes complaints.

    A file that is no TOML is set aside.  A single value that makes no sense is not
    used, and stays where it is.
    """
    if stranger := _stranger(path):
        return Choices(complaints=[stranger])
    choices = Choices(path=path)
    try:
        text, complaint = _take(path)
    except OSError as error:
        why = (error.strerror or "cannot be read").lower()
        choices.complaints.append(f"{path}: {why}; tuiq starts with its defaults")
        return choices
    wrong = _apply(choices, tomllib.loads(text))
    choices.complaints += [complaint] if complaint else []
    choices.complaints += [f"{path}: {what}; it is not used" for what in wrong]
    choices._stored = _tables(choices)
    return choices


def _stranger(path: Path) -> str:
    """Return why root keeps its hands off a file below somebody else's home."""
    if os.geteuid() != 0:
        return ""
    found = path.parent
    while not found.exists():
        found = found.parent
    if found.stat().st_uid == 0:
        return ""
    return (
        f"{found} is not root's, so root neither reads nor keeps choices there; set "
        "HOME or XDG_CONFIG_HOME to have some"
    )


def _take(path: Path) -> tuple[str, str]:
    """Return what the file says; set it aside, with a complaint, if it is no TOML."""
    try:
        with path.open("rb") as file:
            return _checked(file.read(_LARGEST + 1)), ""
    except FileNotFoundError:
        return "", ""
    except (ValueError, RecursionError) as error:
        stamp = time.strftime("%Y%m%d-%H%M%S")
        aside = path.with_name(f"{path.name}.damaged-{stamp}-{os.getpid()}")
        os.rename(path, aside)
        return "", f"{path}: damaged ({error}); it is kept as {aside.name}"


def _checked(raw: bytes) -> str:
    """Return the text of a TOML file."""
    if len(raw) > _LARGEST:
        raise ValueError("larger than 1 MiB")
    text = raw.decode()
    tomllib.loads(text)
    return text


def _edited(text: str, stored: _Tables, ours: _Tables) -> str:
    """Return *text* with what differs between *stored* and *ours* put in.

    Where there are comments everything else stays as people wrote it, else only its
    meaning does.  Raises ValueError if that cannot be.
    """
    wanted = tomllib.loads(text)
    _put(wanted, stored, ours)
    if not any(_comments(text)):
        import tomli_w

        return tomli_w.dumps(wanted)
    import tomlkit  # slow to load, and slower to parse
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(text)
        _put(document, stored, ours)
        edited = document.as_string()
    except (TOMLKitError, RecursionError) as error:
        raise ValueError(f"cannot be changed as it is written ({error})") from None
    if tomllib.loads(edited) != wanted:
        raise ValueError("cannot be changed as it is written")
    # Those beside what was taken out.
    lost = Counter(_comments(text)) - Counter(_comments(edited))
    if not lost:
        return edited
    return "\n".join([edited.rstrip("\n"), *lost.elements(), ""])


_QUOTED_OR_COMMENT = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|#[^\n]*",
    re.DOTALL,
)


def _comments(text: str) -> Iterator[str]:
    """Yield the comments of a TOML text."""
    found = _QUOTED_OR_COMMENT.findall(text)
    return (one.rstrip() for one in found if one.startswith("#"))


def _write(path: Path, text: str) -> None:
    """Put a new file into the place of the old one."""
    target = Path(os.path.realpath(path))  # it may be linked into a kept folder
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = target.with_name(f"{target.name}.new-{os.getpid()}")
    new.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    # Not synced: the UI would stand still, and there is nothing here to regret.
    try:
        with open(os.open(new, flags, 0o600), "wb") as file:
            file.write(text.encode())
        os.replace(new, target)
    except OSError:
        new.unlink(missing_ok=True)
        raise


def _put(tables: MutableMapping[str, Any], stored: _Tables, ours: _Tables) -> None:
    """Put what differs between *stored* and *ours* into *tables*."""
    for key in stored.keys() | ours.keys():
        was, now = stored.get(key), ours.get(key)
        if was == now:
            continue
        if isinstance(now, dict) or isinstance(was, dict):
            if not isinstance(tables.get(key), dict):
                tables[key] = {}
            _put(tables[key], was or {}, now or {})
            if not tables[key]:
                del tables[key]
        elif now is None:
            tables.pop(key, None)
        else:
            tables[key] = now


def _tables(choices: Choices) -> _Tables:
    """Return the choices in the file's terms, without what is as it comes."""
    grids = {
        page: _chosen(
            columns=list(grid.columns),
            widths=dict(grid.widths),
            sort=grid.sort,
            reverse=grid.reverse,
        )
        for page, grid in choices.grids.items()
    }
    return _chosen(
        theme=choices.theme,
        pane=choices.pane,
        toured=choices.toured,
        history=list(choices.history),
        filters=dict(choices.filters),
        keys=dict(choices.keys),
        grids=_chosen(**grids),
    )


def _chosen(**values: Any) -> _Tables:
    """Return the values that say something."""
    return {key: value for key, value in values.items() if value}


def _apply(choices: Choices, tables: _Tables) -> list[str]:
    """Take what makes sense from *tables*; return what does not, in words."""
    wrong: list[str] = []
    taken = _Taker(wrong, "")
    taken.into(choices, tables, _CHOICES)
    for name in ("filters", "keys"):
        table = taken.table(tables, name)
        setattr(choices, name, _Taker(wrong, f"{name}.").entries(table, _text))
    for page, table in taken.table(tables, "grids").items():
        if isinstance(table, dict):
            inner = _Taker(wrong, f"grids.{page}.")
            inner.into(choices.grid(page), table, _GRID)
            widths = inner.table(table, "widths")
            widened = _Taker(wrong, f"grids.{page}.widths.").entries(widths, _size)
            choices.grid(page).widths = widened
        else:
            wrong.append(f"grids.{page} must be a table")
    choices.hosts = taken.table(tables, "hosts")
    return wrong


def _text(value: object) -> str:
    return "" if isinstance(value, str) else "must be a text"


def _texts(value: object) -> str:
    good = isinstance(value, list) and all(isinstance(one, str) for one in value)
    return "" if good else "must be a list of texts"


def _size(value: object) -> str:
    good = isinstance(value, int) and not isinstance(value, bool) and -1 <= value < 1000
    return "" if good else "must be a number from -1 to 999"


def _truth(value: object) -> str:
    return "" if isinstance(value, bool) else "must be true or false"


_Check = Callable[[object], str]
_CHOICES: dict[str, _Check] = {
    "theme": _text,
    "pane": _size,
    "toured": _truth,
    "history": _texts,
}
_GRID: dict[str, _Check] = {"columns": _texts, "sort": _text, "reverse": _truth}


@dataclass(frozen=True, slots=True)
class _Taker:
    """Takes values out of a table, and notes those that are of the wrong kind."""

    wrong: list[str]
    prefix: str

    def into(self, target: object, table: _Tables, checks: dict[str, _Check]) -> None:
        """Set the attributes of *target* that *table* has."""
        known = {key: table[key] for key in checks if key in table}
        for key, value in known.items():
            if complaint := checks[key](value):
                self.wrong.append(f"{self.prefix}{key} {complaint}")
            else:
                setattr(target, key, value)

    def table(self, tables: _Tables, key: str) -> _Tables:
        """Return an inner table, empty if there is none."""
        value = tables.get(key, {})
        if isinstance(value, dict):
            return value
        self.wrong.append(f"{self.prefix}{key} must be a table")
        return {}

    def entries(self, table: _Tables, check: _Check) -> _Tables:
        """Return the entries of *table* that are right."""
        result = {}
        for key, value in table.items():
            if complaint := check(value):
                self.wrong.append(f"{self.prefix}{key} {complaint}")
            else:
                result[key] = value
        return result

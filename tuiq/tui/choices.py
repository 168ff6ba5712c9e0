"""The user's choices, kept by tuiq in a file of its own beside what people write.

``$XDG_CONFIG_HOME/tuiq/ui.toml``; a hand-written tuiq.toml is never touched.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


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
    """Lines of the detail pane; 0: as it comes."""
    toured: bool = False

    def grid(self, page: str) -> GridChoice:
        """Return the choice for a page's grid, for changing too."""
        return self.grids.setdefault(page, GridChoice())

    def save(self) -> str:
        """Write the file by rename; return the complaint if that failed."""
        raise NotImplementedError

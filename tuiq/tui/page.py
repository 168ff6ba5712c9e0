"""What every page is: a part of the screen that shows one thing and takes commands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.widget import Widget

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from tuiq.tui.shell import Shell
    from tuiq.tui.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What an action would be applied to if its key were pressed now.

    Identities, never positions.  It is complete: what it lists is what is acted on.
    """

    scope: str
    """In words: ``2 marked``, ``6731A0F2C1``, ``all 1,842 that match dom:x``; clean."""
    filter: str = ""
    """The canonical filter text that was in force."""
    picks: Sequence[tuple[str, tuple[int, ...] | None]] = ()
    """Queue ids with the slots that are meant; None = the whole message.

    Many are spelled as they are read: walk them in a thread."""
    recipients: str = ""
    """A filter: of a message with several recipients those are meant that fit it by
    themselves.  Empty: as ``picks`` says."""
    hidden: int = 0
    """Marked rows that the filter hides; they are not acted on."""
    is_sample: bool = False
    """There are more than these; only of ``Page.sample``."""

    @property
    def count(self) -> int:
        """Return the number of messages."""
        return len(self.picks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """An action of the audit log that a page has focused, for ``undo``."""

    action: str
    """Its id."""
    verb: str
    count: int
    """About how many messages it changed."""
    at: float
    """Epoch seconds."""
    why_not: str = ""
    """Why it cannot be taken back, as one short phrase; empty: it can."""


class Page(Widget, can_focus=False):
    """One of the screens behind the digits."""

    page_name: ClassVar[str] = ""
    """``messages``; also its widget id."""
    page_title: ClassVar[str] = ""
    """``Messages``."""
    footer: ClassVar[tuple[str, ...]] = ()
    """Ids of the commands that its footer shows, the most useful first."""
    seeks_words: ClassVar[bool] = False
    """Whether its filter is words to seek: no terms, and nothing to get wrong."""
    takes: ClassVar[frozenset[str]] = frozenset()
    """Ids of all commands that it performs itself."""

    @property
    def shell(self) -> Shell:
        """Return the application."""
        return cast("Shell", self.app)

    @property
    def world(self) -> World:
        """Return what there is to see and to act through."""
        return self.shell.world

    def tick(self, now: float) -> None:
        """Bring what is shown up to date; called while the page is visible.

        *now* is in epoch seconds.  Repaint nothing that did not change.
        """

    def shown(self) -> None:
        """Note that the page has become visible; focus belongs to its grid."""

    def hidden(self) -> None:
        """Note that another page is shown now."""

    def freeze(self, on: bool) -> None:
        """Keep rows, order and cells as they are while *on*; no tick comes then.

        What the operator asks for meanwhile, such as a filter, is shown as it is now,
        and held from then on.
        """

    @property
    def is_due(self) -> bool:
        """Say whether something that was asked for while frozen has come since."""
        return False

    def why_not(self, command: str) -> str:
        """Return why a command cannot work now, as one short phrase; empty: it can."""
        return ""

    def perform(self, command: str) -> None:
        """Do one of the commands in ``takes``."""

    def subject(self) -> Subject | None:
        """Return what an action would be applied to; None: nothing is there."""
        return None

    def sample(self) -> Subject | None:
        """Return what tells cheaply whether an action could work now.

        Some of the messages of ``subject()`` where listing all of them takes long.
        """
        return self.subject()

    def done(self) -> Done | None:
        """Return the action that ``undo`` means here; None: the last one."""
        return None

    def pausable(self) -> list[list[str]]:
        """Return what ``pause`` may mean here, as words for ``pausing.place``.

        The likeliest first: ``["queue", "q.1"]``, ``["destination", "x.org"]``.
        """
        return [["spool"]]

    @property
    def filter_text(self) -> str | None:
        """Return the filter in force; None when the page has none."""
        return None

    def set_filter(self, text: str) -> str:
        """Narrow the page; return the complaint with its caret, empty when taken."""
        return ""

    def matched(self) -> str:
        """Return ``1,842 of 460,812``, for the end of the filter line."""
        return ""

    def status(self) -> str:
        """Return what the status line says on the left: marks, order, follow."""
        return ""

    def empty_text(self) -> str:
        """Return what stands where rows would be; what to do about it comes last."""
        return ""

    def focus_on(self, key: object) -> None:
        """Move the cursor to a row."""


def run_in(
    widget: Widget,
    work: Callable[[], Coroutine[Any, Any, None]],
    *,
    group: str = "default",
    exclusive: bool = True,
) -> None:
    """Run *work* as a worker of *widget*.

    It is called by the worker: a widget that goes first leaves nothing unawaited.
    """
    widget.run_worker(cast("Any", work), group=group, exclusive=exclusive)

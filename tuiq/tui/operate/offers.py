"""What ``u`` would take back."""

from __future__ import annotations

from dataclasses import dataclass

from tuiq.actions.verbs import CARDS
from tuiq.spool.answers import Result, Verb
from tuiq.tui.commands import COMMANDS
from tuiq.tui.keymap import shown_key
from tuiq.tui.operate.facts import OFFERED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tuiq.tui.operate.jobs import Job

_KEPT = 50
_PAUSING = ("pause", "resume", "limits")


@dataclass(frozen=True, slots=True, kw_only=True)
class Undoable:
    """One action of this UI that can be taken back."""

    action: str
    verb: str
    count: int
    at: float
    """Epoch seconds at which it ended."""

    def words(self) -> str:
        """Return ``h hold ×2``."""
        key = shown_key(COMMANDS[self.verb].keys.split(",")[0])
        times = "" if self.verb in _PAUSING else f" ×{self.count:,}"
        return f"{key} {self.verb}{times}"


class Offers:
    """The actions of this UI that can be taken back, the latest first."""

    def __init__(self) -> None:
        """Begin without any."""
        self._stack: list[Undoable] = []

    @property
    def last(self) -> Undoable | None:
        """Return what ``u`` takes back; None: nothing of this UI."""
        return self._stack[-1] if self._stack else None

    def line(self, now: float) -> str:
        """Return ``undo: h hold ×2, 00:41`` while that is on offer."""
        last = self.last
        left = OFFERED - (now - last.at) if last else 0.0
        if last is None or left <= 0:
            return ""
        return f"undo: {last.words()}, {int(left) // 60:02}:{int(left) % 60:02}"

    def is_fresh(self, now: float) -> bool:
        """Say whether the last action is so recent that nobody has to be asked."""
        return self.last is not None and now - self.last.at < OFFERED

    def note(self, job: Job) -> bool:
        """Take note of a job that has ended; say whether it can be taken back."""
        if job.verb == Verb.UNDO.value:
            return False
        if job.verb not in _PAUSING and CARDS[Verb(job.verb)].no_undo:
            return False
        count = job.counts[Result.ACTED] + job.counts[Result.IN_FLIGHT]
        if not (count and job.action):
            return False
        offer = Undoable(action=job.action, verb=job.verb, count=count, at=job.ended)
        self._stack = [*self._stack[-_KEPT:], offer]
        return True

    def forget(self, action: str) -> None:
        """Take note that an action was taken back, or that it cannot be."""
        self._stack = [offer for offer in self._stack if offer.action != action]

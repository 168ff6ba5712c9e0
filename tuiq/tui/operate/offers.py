"""What ``u`` would take back."""

from __future__ import annotations

from dataclasses import dataclass

from tuiq.actions.verbs import CARDS
from tuiq.actions.words import plural
from tuiq.spool.answers import Result
from tuiq.tui.operate.facts import OFFERED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tuiq.tui.operate.job import Job

_KEPT = 50
_PLACES = ("pause", "resume", "limits")
_UNDOABLE = {card.verb.value for card in CARDS.values() if not card.no_undo}
_UNDOABLE |= set(_PLACES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Undoable:
    """One action of this UI that can be taken back."""

    action: str
    verb: str
    count: int
    at: float
    """Epoch seconds at which it ended."""

    def words(self, key: str) -> str:
        """Return ``h hold ×2``, given the verb's *key*."""
        return f"{key} {self.verb}{self._times}".lstrip()

    @property
    def what(self) -> str:
        """Return ``hold of 2 messages``."""
        if self.verb in _PLACES:
            return self.verb
        return f"{self.verb} of {plural(self.count, 'message')}"

    @property
    def _times(self) -> str:
        return "" if self.verb in _PLACES else f" ×{self.count:,}"


class Offers:
    """The actions of this UI that can be taken back, the latest first."""

    def __init__(self) -> None:
        """Begin without any."""
        self._stack: list[Undoable] = []

    @property
    def last(self) -> Undoable | None:
        """Return what ``u`` takes back; None: nothing of this UI."""
        return self._stack[-1] if self._stack else None

    def line(self, now: float, key: str) -> str:
        """Return ``undo: h hold ×2, 00:41`` while that is on offer."""
        last = self.last
        left = OFFERED - (now - last.at) if last else 0.0
        if last is None or left <= 0:
            return ""
        return f"undo: {last.words(key)}, {int(left) // 60:02}:{int(left) % 60:02}"

    def is_fresh(self, now: float) -> bool:
        """Say whether the last action is so recent that nobody has to be asked."""
        return self.last is not None and now - self.last.at < OFFERED

    def note(self, job: Job) -> bool:
        """Take note of a job that has ended; say whether it can be taken back."""
        if job.verb not in _UNDOABLE:
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

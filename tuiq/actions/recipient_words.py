"""The words for the states of recipients, the same in every front end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiq.log import printable
from tuiq.spool.flags import RReq, RState

if TYPE_CHECKING:
    from tuiq.spool.entry import RecipientView

STATE_WORDS = {
    RState.TODO.value: "todo",
    RState.ATTEMPT.value: "attempt",
    RState.UNKNOWN.value: "in doubt",
    RState.DELIVERED.value: "delivered",
    RState.FAILED.value: "failed",
    RState.BOUNCED.value: "bounced",
    RState.CANCELLED.value: "cancelled",
}
_ASKED = {
    RReq.HOLD.value: "held",
    RReq.CANCEL.value: "delete asked",
    RReq.BOUNCE.value: "bounce asked",
}


def state_word(view: RecipientView) -> str:
    """Return the state of a recipient in words, with what was asked for it."""
    if view.state == RState.CANCELLED and view.code == b"250":
        return "delivered, by operator's word"
    word = STATE_WORDS.get(view.state, f"unknown {printable(view.state)}")
    if view.state not in (RState.TODO.value, RState.ATTEMPT.value):
        return word
    return _ASKED.get(view.request, word)

"""What became of one recipient in one attempt."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuiq.mail.reply import Reply


class Verdict(Enum):
    """The five ends of an attempt."""

    DELIVERED = "delivered"
    """A 2xx was seen after the final dot."""
    DEFERRED = "deferred"
    """A temporary refusal, or the connection was lost before the final dot."""
    FAILED = "failed"
    """A permanent refusal."""
    IN_DOUBT = "in doubt"
    """The final dot left and no verdict came back (RFC 1047)."""
    UNTRIED = "untried"
    """Not decided by this transaction: back to todo, no try is counted."""

    __hash__ = object.__hash__  # the one of enums is no C function


@dataclass(slots=True)
class Outcome:
    """The verdict on one recipient and the words that came with it; nobody changes one.

    Not frozen: one is made for every delivery.
    """

    index: int
    """The recipient's slot number in the control file."""
    verdict: Verdict
    reply: Reply

"""Applying operators' requests to the slots of a claimed message.

Requests are never cleared by the holder: they are operators' bytes.  Applying
them twice changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiq.spool.control import MREQ
from tuiq.spool.flags import MReq, RReq

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tuiq.spool.claim import Claim

_LIVE = b"TUF"
_NONE = MReq.NONE[0]
_NO_WISH = RReq.NONE.value + RReq.HOLD.value
_CANCEL = frozenset({MReq.DELETE.value, MReq.PURGE.value})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the requests mean for some recipients."""

    cancel: Sequence[int]
    bounce: Sequence[int]


_NOTHING = Wishes(cancel=(), bounce=())


def any_wish(claim: Claim) -> bool:
    """Say whether the requests last read ask for anything but to wait."""
    return claim.buffer[MREQ] != _NONE or claim.requests.strip(_NO_WISH) != b""


def wishes(claim: Claim, indexes: Iterable[int]) -> Wishes:
    """Sort *indexes* by what the requests last read say; cancel beats bounce."""
    if not any_wish(claim):
        return _NOTHING
    message = claim.request
    requests = claim.requests
    cancel: list[int] = []
    bounce: list[int] = []
    cancel_all = message in _CANCEL
    bounce_all = message == MReq.BOUNCE
    for index in indexes:
        request = requests[index]
        if cancel_all or request == RReq.CANCEL[0]:
            cancel.append(index)
        elif bounce_all or request == RReq.BOUNCE[0]:
            bounce.append(index)
    return Wishes(cancel=cancel, bounce=bounce)


def live_indexes(claim: Claim) -> list[int]:
    """Return the recipients that a request can still change: T, U and F."""
    return [index for index, state in enumerate(claim.states) if state in _LIVE]

"""Journal lines about recipients of a claimed message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiq.spool.flags import RState
from tuiq.spool.journal import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiq.mail.outcome import Outcome
    from tuiq.mail.reply import Reply
    from tuiq.spool.claim import Claim
    from tuiq.spool.site import Site


def record(
    claim: Claim,
    site: Site,
    kind: Kind,
    indexes: Sequence[int],
    reply: Reply | None = None,
    relay: str = "",
) -> None:
    """Write one journal event about recipients of a claimed message."""
    recipients = zip(indexes, claim.recipients(indexes), strict=True)
    site.recorder.record(
        kind,
        claim.queue_id,
        recipients=[(index, recipient.address) for index, recipient in recipients],
        reply=reply,
        relay=relay,
    )


DOUBT = b"in doubt"
"""Enhanced status of a slot that left U by an operator's word, not by a verdict."""


def keep_doubt(claim: Claim, indexes: Sequence[int]) -> None:
    """Note in slots that leave U without a verdict that they were in doubt."""
    states = claim.states
    for index in indexes:
        if states[index] == RState.UNKNOWN[0]:
            claim.put_slot(
                index,
                tries=claim.slot_tries(index),
                next_=0,
                code=claim.slot_code(index),
                status=DOUBT,
            )


def name_doubts(claim: Claim, site: Site, indexes: Sequence[int]) -> None:
    """Name in the journal, durably, who is restored though the doubt was kept."""
    doubt = [index for index in indexes if claim.slot_status(index) == DOUBT]
    if doubt:
        record(claim, site, Kind.POSSIBLE_DUPLICATE, doubt)
        site.recorder.sync()


def retry_in_doubt(claim: Claim, site: Site, indexes: list[int]) -> None:
    """Let recipients in doubt be tried again: named in the journal first, then T."""
    if not indexes:
        return
    record(claim, site, Kind.POSSIBLE_DUPLICATE, indexes)
    site.recorder.sync()
    claim.mark(indexes, RState.TODO)


def by_reply(group: Sequence[Outcome]) -> list[tuple[Reply, list[int]]]:
    """Group outcomes by their reply, in order."""
    if len(group) == 1:  # a reply is costly to hash
        return [(group[0].reply, [group[0].index])]
    groups: dict[Reply, list[int]] = {}
    for outcome in group:
        groups.setdefault(outcome.reply, []).append(outcome.index)
    return list(groups.items())

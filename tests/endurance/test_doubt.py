"""What an operator takes out of doubt and puts back is named like any repeat."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.endurance.world import World, submit
from tuiq.spool.answers import Result, Target, Verb
from tuiq.spool.claim import lock_message
from tuiq.spool.flags import RState
from tuiq.spool.journal import Kind


@pytest.mark.parametrize(
    ("out", "back"),
    [
        (Verb.DELETE, Verb.UNDO),
        (Verb.DELIVERED, Verb.UNDO),
        (Verb.HOLD, Verb.REQUEUE),
    ],
)
def test_recipients_in_doubt_that_operators_restore_are_named_in_the_journal(
    world: World, out: Verb, back: Verb
) -> None:
    world.configure(port=1)
    with world.open() as spool:
        queue_id = submit(spool, ["known@d.example", "doubt@d.example"])
        directory = spool.find(queue_id)
        assert directory is not None
        claim = lock_message(directory, queue_id)
        claim.mark([1], RState.ATTEMPT)
        claim.mark([1], RState.UNKNOWN)
        claim.close()
        for verb in (out, back):
            (answer,) = spool.operate(verb, [Target(queue_id=queue_id)])
            assert answer.result is Result.ACTED, answer.text
        assert spool.entry(queue_id).states == b"TT"
    named = Counter(
        (record.queue_id, to)
        for record in world.journal(Kind.POSSIBLE_DUPLICATE)
        for _, to in record.recipients
    )
    assert named == {(queue_id, "doubt@d.example"): 1}

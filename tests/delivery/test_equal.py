"""With and without PIPELINING the same replies make the same outcomes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.delivery.world import Batch, batch, session
from tuiq.demo.script import Act, Answer, Peer, Script
from tuiq.demo.server import Received, ScriptedServer
from tuiq.mail.outcome import Verdict

PLAIN = tuple(name for name in Script().extensions if name != b"PIPELINING")
DROP = Act(drop=True)
EVERYWHERE: list[Answer] = [
    None,
    b"451 4.3.0 Later",
    b"550 5.7.1 Never",
    b"421 4.3.2 Closing",
    b"hello, I am a web server",
    DROP,
]
MAIL = st.sampled_from([*EVERYWHERE, b"354 Confused"])
RCPT = st.sampled_from(
    [
        *[None] * 6,
        *EVERYWHERE,
        b"251 2.1.5 Will forward",
        b"452 4.5.3 Too many recipients",
        b"452 Too many recipients",
        b"452 4.2.2 Mailbox full",
        b"552 4.5.3 Too many recipients",
        b"354 Confused",
    ]
)
DATA = st.sampled_from([*[None] * 4, *EVERYWHERE, b"250 Confused"])
DOT = st.sampled_from([*[None] * 4, *EVERYWHERE])
VERDICT = st.sampled_from([*[None] * 4, *EVERYWHERE, b"354 Confused"])


def once(answer: Answer) -> Any:
    """Answer so in the first transaction only."""
    return lambda peer: answer if first(peer) else None


def first(peer: Peer) -> bool:
    return peer.transaction <= 1


async def converse(script: Script, count: int) -> tuple[object, Batch, list[Received]]:
    """Return all that must not depend on PIPELINING."""
    transaction = batch(*(b"u%d@x.invalid" % n for n in range(count)))
    after = batch(b"next@x.invalid")
    async with ScriptedServer(script) as server, session(server) as opened:
        delivered = await opened.deliver(transaction)
        assert delivered.reusable == (delivered.lost is None)
        if delivered.reusable:
            await opened.deliver(after)
            assert after.verdicts == [Verdict.DELIVERED], "the session was not reset"
    said = [
        (slot, outcome.verdict, outcome.reply.code, outcome.reply.enhanced)
        for slot, outcome in sorted(transaction.outcomes.items())
    ]
    lost = delivered.lost and (delivered.lost.code, delivered.lost.enhanced)
    if script.empty_data:  # DATA for nobody is only ever sent with PIPELINING
        lost = None
    summary = (said, transaction.dotted, delivered.batch_limit, lost)
    taken = [
        m for m in server.received if m.recipients[:1] != ((b"next@x.invalid", b""),)
    ]
    return summary, transaction, taken


@settings(max_examples=300)
@given(
    mail=st.one_of(st.none(), MAIL),
    rcpts=st.lists(RCPT, min_size=1, max_size=6),
    data=DATA,
    dot=DOT,
    verdict=VERDICT,
    empty_data=st.booleans(),
)
def test_outcomes_do_not_depend_on_pipelining_for_any_mix_of_replies(
    mail: Answer,
    rcpts: list[Answer],
    data: Answer,
    dot: Answer,
    verdict: Answer,
    empty_data: bool,
) -> None:
    script = Script(
        mail=once(mail),
        rcpt={b"u%d@x.invalid" % n: answer for n, answer in enumerate(rcpts)},
        data=once(data),
        dot=once(dot),
        verdict=once(verdict),
        empty_data=empty_data,
    )

    async def both() -> None:
        together = await converse(script, len(rcpts))
        in_turn = await converse(replace(script, extensions=PLAIN), len(rcpts))
        assert together[0] == in_turn[0]
        for _, transaction, taken in (together, in_turn):
            check_against_the_server(transaction, taken)

    asyncio.run(both())


def check_against_the_server(transaction: Batch, taken: list[Received]) -> None:
    """Compare the verdicts with what the server took responsibility for."""
    verdicts = transaction.verdicts
    for slot, recipient in enumerate(transaction.envelope.recipients):
        messages = [
            message
            for message in taken
            if recipient.address in {address for address, _ in message.recipients}
        ]
        assert len(messages) <= 1, "sent twice"
        told = any(message.replied for message in messages)
        assert (verdicts[slot] is Verdict.DELIVERED) == told
        if verdicts[slot] is Verdict.UNTRIED:
            assert not messages

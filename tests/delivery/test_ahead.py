"""A transaction that begins with the dot of another: two strangers all the same."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.delivery.world import BODY, Batch, Watcher, batch, session
from tuiq.demo.script import Act, Answer, Peer, Script
from tuiq.demo.server import ScriptedServer
from tuiq.mail.outcome import Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiq.delivery.transport import Delivered

DELIVERED, DEFERRED, FAILED, IN_DOUBT, UNTRIED = Verdict
PLAIN = tuple(name for name in Script().extensions if name != b"PIPELINING")


def nth(number: int, answer: Answer) -> Callable[[Peer], Answer]:
    """Answer so in one transaction of a connection only."""
    return lambda peer: answer if peer.transaction == number else None


async def pair(
    script: Script, first: Batch, second: Batch, **given: Any
) -> tuple[Delivered, Delivered | None, ScriptedServer]:
    """Deliver *second* behind *first* as a courier does; None: it had no turn."""
    async with ScriptedServer(script) as server, session(server, **given) as opened:
        told = await opened.deliver(first, second)
        if not told.reusable:
            opened.withdraw()
            return told, None, server
        return told, await opened.deliver(second), server


async def test_the_next_envelope_travels_with_the_dot() -> None:
    first, second = batch(), batch(b"next@x.invalid")
    told, after, server = await pair(Script(), first, second)
    assert (
        BODY + b".\r\nMAIL FROM:<me@tuiq.invalid>\r\n"
        b"RCPT TO:<next@x.invalid>\r\nDATA\r\n"
    ) in server.segments
    assert first.verdicts == [DELIVERED] * 3
    assert second.verdicts == [DELIVERED]
    assert [m.data for m in server.received] == [BODY, BODY]
    assert told.reusable
    assert after is not None
    assert after.reusable
    assert (told.unheard, after.unheard) == (False, False)


async def test_a_chain_of_transactions_takes_one_write_each() -> None:
    count = 20
    transactions = [batch(b"u%d@x.invalid" % n) for n in range(count)]
    async with ScriptedServer() as server, session(server) as opened:
        for n, each in enumerate(transactions):
            following = transactions[n + 1] if n + 1 < count else None
            assert (await opened.deliver(each, following)).reusable
    assert all(each.verdicts == [DELIVERED] for each in transactions)
    mails = [s for s in server.segments if b"MAIL FROM" in s]
    assert sum(s.startswith(b"MAIL") for s in mails) == 1
    assert len(mails) == count


async def test_nothing_leaves_ahead_without_pipelining() -> None:
    first, second = batch(), batch()
    _, _, server = await pair(Script(extensions=PLAIN), first, second)
    assert first.verdicts == second.verdicts == [DELIVERED] * 3
    assert all(s.count(b"\r\n") == 1 for s in server.segments if b"RCPT" in s)


async def test_the_second_begins_after_the_mark_of_the_first_ones_dot() -> None:
    first, second = batch(), batch()

    async def on_dot() -> None:
        assert second.begun == 0

    first.on_dot = on_dot
    await pair(Script(), first, second)
    assert (first.verdicts, second.verdicts) == ([DELIVERED] * 3, [DELIVERED] * 3)


@pytest.mark.parametrize("point", ["dot", "verdict"])
@pytest.mark.parametrize("act", [Act(drop=True), Act(reply=b"")])
async def test_a_loss_at_the_dot_leaves_one_in_doubt_and_the_next_untried(
    point: str, act: Act
) -> None:
    first, second = batch(), batch()
    script = Script(**{point: nth(1, act)})  # type: ignore[arg-type]
    told, after, _ = await pair(script, first, second, dot_timeout=0.2)
    assert first.verdicts == [IN_DOUBT] * 3
    assert second.verdicts == [UNTRIED] * 3
    assert second.dotted is None
    assert after is None
    assert told.lost is not None
    assert told.unheard


async def test_421_to_the_dot_defers_the_first_and_leaves_the_next_untried() -> None:
    first, second = batch(), batch()
    script = Script(dot=nth(1, b"421 4.3.2 Closing"))
    told, after, _ = await pair(script, first, second)
    assert first.verdicts == [DEFERRED] * 3
    assert second.verdicts == [UNTRIED] * 3
    assert after is None
    assert told.lost is not None
    assert told.lost.code == 421
    assert not told.unheard


async def test_a_refused_dot_says_nothing_about_the_next() -> None:
    first, second = batch(), batch()
    script = Script(dot=nth(1, b"554 5.6.0 Spam"))
    told, _, _ = await pair(script, first, second)
    assert told.reusable
    assert first.verdicts == [FAILED] * 3
    assert second.verdicts == [DELIVERED] * 3


async def test_a_server_that_has_had_enough_is_the_second_ones_news() -> None:
    first, second = batch(), batch()
    told, after, _ = await pair(Script(max_transactions=1), first, second)
    assert first.verdicts == [DELIVERED] * 3
    assert second.verdicts == [UNTRIED] * 3
    assert told.reusable
    assert told.lost is None
    assert after is not None
    assert after.lost is not None
    assert after.lost.code == 421
    assert not after.unheard


@pytest.mark.parametrize(
    "act", [Act(reply=b""), Act(drop=True), Act(reply=b"354 Confused")]
)
async def test_a_server_that_does_not_hear_what_came_early_is_told_apart(
    act: Act,
) -> None:
    first, second = batch(), batch()
    script = Script(mail=nth(2, act))
    _, after, _ = await pair(script, first, second, command_timeout=0.2)
    assert first.verdicts == [DELIVERED] * 3
    assert second.verdicts == [UNTRIED] * 3
    assert after is not None
    assert after.unheard
    assert not after.reusable


async def test_data_for_nobody_of_the_second_ends_with_a_lone_dot() -> None:
    first, second = batch(b"a@x.invalid"), batch(b"no@x.invalid")
    script = Script(rcpt={b"no@x.invalid": b"550 5.1.1 No"}, empty_data=True)
    third = batch(b"b@x.invalid")
    async with ScriptedServer(script) as server, session(server) as opened:
        for each, following in ((first, second), (second, third), (third, None)):
            assert (await opened.deliver(each, following)).reusable
    assert [b.verdicts for b in (first, second, third)] == [
        [DELIVERED],
        [FAILED],
        [DELIVERED],
    ]
    assert second.dotted is None
    assert b".\r\n" in server.segments


async def test_a_second_that_nobody_wants_any_more_is_not_sent() -> None:
    first, second = batch(), batch()
    second.wanted = lambda _: False
    told, after, server = await pair(Script(), first, second)
    assert BODY + b".\r\n" in server.segments
    assert told.reusable
    assert after is not None
    assert after.reusable
    assert second.begun == 1


async def test_a_second_that_cannot_begin_spoils_only_itself() -> None:
    class Broken(Batch):
        def begin(self) -> list[Any]:
            self.begun += 1
            raise OSError(5, "Input/output error")

    first, third = batch(), batch()
    second = Broken(envelope=first.envelope)
    async with ScriptedServer() as server, session(server) as opened:
        assert (await opened.deliver(first, second)).reusable
        assert first.verdicts == [DELIVERED] * 3
        with pytest.raises(OSError, match="Input"):
            await opened.deliver(second, third)
        opened.withdraw()
    assert (second.begun, third.begun) == (1, 0)
    assert len(server.received) == 1


@pytest.mark.parametrize("cancel", [False, True])
async def test_what_is_withdrawn_at_the_dot_is_untried_at_once(cancel: bool) -> None:
    class Started(Batch):
        def begin(self) -> list[Any]:
            begun.set()
            return super().begin()

    first, gate, begun = batch(), asyncio.Event(), asyncio.Event()
    second = Started(envelope=first.envelope)
    script = Script(verdict=nth(1, Act(until=gate)))
    watcher = Watcher()
    async with (
        ScriptedServer(script) as server,
        session(server, watcher=watcher) as opened,
    ):
        delivering = asyncio.create_task(opened.deliver(first, second))
        await begun.wait()
        opened.withdraw()
        opened.withdraw()
        assert second.verdicts == [UNTRIED] * 3
        assert not first.outcomes
        if cancel:
            delivering.cancel()
            with pytest.raises(asyncio.CancelledError):
                await delivering
            assert first.verdicts == [IN_DOUBT] * 3
        else:
            gate.set()
            told = await delivering
            assert (told.reusable, told.lost) == (False, None)
            assert first.verdicts == [DELIVERED] * 3
    assert watcher.phases[-1] == "dot", "no QUIT into the data"
    assert len(server.received) == 1


async def test_what_is_withdrawn_before_the_dot_never_begins() -> None:
    first, second, third = batch(), batch(), batch()
    async with ScriptedServer() as server, session(server) as opened:

        async def on_dot() -> None:
            opened.withdraw()

        first.on_dot = on_dot
        assert (await opened.deliver(first, second)).reusable
        assert (await opened.deliver(third)).reusable
    assert second.begun == 0
    assert len(server.received) == 2


async def test_many_recipients_ahead_of_their_turn_are_no_flood() -> None:
    first = batch()
    second = batch(*(b"u%d@x.invalid" % n for n in range(500)))
    told, _, _ = await pair(Script(), first, second)
    assert told.reusable
    assert second.verdicts == [DELIVERED] * 500


# -- with and without --------------------------------------------------------------

EVERYWHERE: list[Answer] = [
    *[None] * 8,
    b"451 4.3.0 Later",
    b"550 5.7.1 Never",
    b"421 4.3.2 Closing",
    b"hello, I am a web server",
    Act(drop=True),
    Act(delay=0.002),
]
RCPT: list[Answer] = [*EVERYWHERE, b"452 4.5.3 Too many recipients"]


@st.composite
def letters(draw: Any) -> dict[str, Any]:
    """Draw one message: what the server says to it at each point."""
    answer = st.sampled_from(EVERYWHERE)
    return {
        "mail": draw(answer),
        "rcpts": draw(st.lists(st.sampled_from(RCPT), min_size=1, max_size=3)),
        "data": draw(answer),
        "dot": draw(answer),
        "verdict": draw(answer),
    }


def script_for(mails: list[dict[str, Any]], *, empty_data: bool) -> Script:
    """Return the script whose answers depend on the message, not on its place."""

    def at(point: str) -> Callable[[Peer], Answer]:
        def answer(peer: Peer) -> Answer:
            number = peer.sender.removeprefix(b"m").partition(b"@")[0]
            return mails[int(number)][point] if number.isdigit() else None

        return answer

    return Script(
        rcpt={
            b"r%d.%d@x.invalid" % (n, k): answer
            for n, mail in enumerate(mails)
            for k, answer in enumerate(mail["rcpts"])
        },
        mail=at("mail"),
        data=at("data"),
        dot=at("dot"),
        verdict=at("verdict"),
        empty_data=empty_data,
    )


def letter(number: int, mail: dict[str, Any], slots: list[int]) -> Batch:
    addresses = [b"r%d.%d@x.invalid" % (number, k) for k in range(len(mail["rcpts"]))]
    made = batch(*addresses, sender=b"m%d@x.invalid" % number)
    made.wanted = lambda slot: slot in slots
    return made


async def drive(
    script: Script, mails: list[dict[str, Any]], *, ahead: bool
) -> tuple[list[dict[int, Outcome]], ScriptedServer]:
    """Deliver all as a courier would, over as many sessions as it takes."""
    final: list[dict[int, Outcome]] = [{} for _ in mails]
    waiting = [(n, list(range(len(mail["rcpts"])))) for n, mail in enumerate(mails)]
    async with ScriptedServer(script) as server:
        for _ in range(40):
            if not waiting:
                break
            async with session(server) as opened:
                waiting = await one_session(opened, waiting, mails, final, ahead)
    assert not waiting, "it never ended"
    return final, server


async def one_session(
    opened: Any,
    waiting: list[tuple[int, list[int]]],
    mails: list[dict[str, Any]],
    final: list[dict[int, Outcome]],
    ahead: bool,
) -> list[tuple[int, list[int]]]:
    batches = [(n, slots, letter(n, mails[n], slots)) for n, slots in waiting]
    untried: list[tuple[int, list[int]]] = []
    for place, (n, slots, each) in enumerate(batches):
        following = batches[place + 1][2] if place + 1 < len(batches) else None
        told = await opened.deliver(each, following if ahead else None)
        if not told.reusable:
            opened.withdraw()
        assert told.begun
        left = [s for s in slots if each.outcomes[s].verdict is UNTRIED]
        final[n].update((s, each.outcomes[s]) for s in slots if s not in left)
        untried += [(n, left)] if left else []
        if not told.reusable:
            if following is not None and following.begun:
                assert set(following.verdicts) <= {UNTRIED}
                assert following.dotted is None
            return untried + [(n, slots) for n, slots, _ in batches[place + 1 :]]
    return untried


@settings(max_examples=300, deadline=None)
@given(mails=st.lists(letters(), min_size=2, max_size=4), empty_data=st.booleans())
def test_what_becomes_of_whom_does_not_depend_on_what_travels_together(
    mails: list[dict[str, Any]], empty_data: bool
) -> None:
    async def all_ways() -> None:
        script = script_for(mails, empty_data=empty_data)
        plain = replace(script, extensions=PLAIN)
        told = []
        for each, ahead in ((plain, False), (script, False), (script, True)):
            final, server = await drive(each, mails, ahead=ahead)
            told.append([verdicts_of(outcomes) for outcomes in final])
            check_against_the_server(final, server)
        assert told[1] == told[0]
        assert told[2] == told[1]

    asyncio.run(all_ways())


def verdicts_of(outcomes: dict[int, Outcome]) -> list[tuple[int, Verdict, int]]:
    return [(s, o.verdict, o.reply.code) for s, o in sorted(outcomes.items())]


def check_against_the_server(
    final: list[dict[int, Outcome]], server: ScriptedServer
) -> None:
    """Compare the verdicts with what the server took responsibility for."""
    for n, outcomes in enumerate(final):
        for slot, outcome in outcomes.items():
            address = b"r%d.%d@x.invalid" % (n, slot)
            taken = [
                m for m in server.received if address in {a for a, _ in m.recipients}
            ]
            assert len(taken) <= 1, "sent twice"
            told = any(message.replied for message in taken)
            assert (outcome.verdict is DELIVERED) == told

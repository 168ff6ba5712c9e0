"""What servers say becomes state bytes, times, texts and journal lines."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from tests.runner.world import DATA, ME, StillClock, World
from tuiq.demo.script import Act, Script
from tuiq.demo.server import ScriptedServer
from tuiq.runner.work import Fate

if TYPE_CHECKING:
    from collections.abc import Callable

MIXED = Script(
    rcpt={
        b"late@x.invalid": b"451 4.7.1 come back",
        b"full@x.invalid": b"452 4.2.2 mailbox full",
        b"never@x.invalid": b"550 5.1.1 no such user",
    }
)


def at(phase: str, answer: bytes | Act) -> Script:
    """Return the script of a server that is strange in one phase."""
    options: dict[str, Any] = {phase: answer}
    return Script(**options)


def curve(age: float) -> float:
    return 400 + 40 * math.sqrt(age)


async def test_each_reply_becomes_the_state_of_its_recipient(still: World) -> None:
    queue_id = still.submit(
        b"fine@x.invalid", b"late@x.invalid", b"never@x.invalid", b"full@x.invalid"
    )
    async with ScriptedServer(MIXED) as server:
        runner = await still.once(server)
    entry = still.entry(queue_id)
    assert entry.states == b"DTBT"
    views = entry.recipients()
    assert [view.code for view in views] == [b"250", b"451", b"550", b"452"]
    assert [view.status for view in views] == [b"2.0.0", b"4.7.1", b"5.1.1", b"4.2.2"]
    assert [view.tries for view in views] == [1, 1, 1, 1]
    assert still.texts("bf", queue_id) == {2: b"no such user"}
    # The reply that is shared stands in the header, only others in xf.
    assert entry.last_reply == b"451 4.7.1 come back"
    assert still.texts("xf", queue_id) == {3: b"mailbox full"}
    assert entry.tries == 1
    assert entry.last_attempt == int(still.spool.clock.now())
    assert entry.opened == 0
    assert set(runner.fates.values()) == {Fate.LEFT, Fate.SETTLED}


async def test_the_journal_has_a_line_for_each_outcome(still: World) -> None:
    queue_id = still.submit(b"fine@x.invalid", b"late@x.invalid", b"never@x.invalid")
    async with ScriptedServer(MIXED) as server:
        await still.once(server)
    mine = [line for line in still.journal() if line.get("id") == queue_id]
    told = {line["event"]: line.get("recipients") for line in mine}
    assert told["delivered"] == [[1, "fine@x.invalid"]]
    assert told["deferred"] == [[2, "late@x.invalid"]]
    assert told["failed"] == [[3, "never@x.invalid"]]
    assert told["bounced"] == [[3, "never@x.invalid"]]
    (deferred,) = (line for line in mine if line["event"] == "deferred")
    assert (deferred["code"], deferred["status"]) == (451, "4.7.1")
    assert deferred["relay"] == still.spool.config.delivery.smarthost


@pytest.mark.parametrize("age", [0, 3600, 86400])
async def test_deferred_mail_waits_by_the_curve(
    still: World, clock: StillClock, age: int
) -> None:
    queue_id = still.submit(b"late@x.invalid")
    clock.offset = age
    async with ScriptedServer(MIXED) as server:
        await still.once(server)
    wait = still.entry(queue_id).next_attempt - clock.now()
    assert 0.9 * curve(age) <= wait <= 1.1 * curve(age) + 1
    assert still.entry(queue_id).index_time == still.entry(queue_id).next_attempt


async def test_recipients_deferred_in_one_pass_wait_equally_long(still: World) -> None:
    queue_id = still.submit(b"late@x.invalid", b"full@x.invalid")
    async with ScriptedServer(MIXED) as server:
        await still.once(server)
    assert len(set(still.entry(queue_id).nexts())) == 1


@pytest.mark.parametrize(
    ("setting", "value"), [("min_backoff", 3000), ("max_backoff", 301)]
)
async def test_the_curve_has_a_floor_and_a_ceiling(
    make_world: Callable[..., World], clock: StillClock, setting: str, value: int
) -> None:
    world = make_world(clock=clock, retry={setting: value})
    queue_id = world.submit(b"late@x.invalid")
    async with ScriptedServer(MIXED) as server:
        await world.once(server)
    assert world.entry(queue_id).next_attempt == math.ceil(clock.now() + value)


async def test_a_second_pass_tries_only_those_that_are_due(
    still: World, clock: StillClock
) -> None:
    queue_id = still.submit(b"fine@x.invalid", b"late@x.invalid")
    async with ScriptedServer(MIXED) as server:
        await still.once(server)
        again = await still.once(server)
        assert again.fates == {}
        assert server.connections == 1
        clock.offset = 3600
        await still.once(server)
        assert server.connections == 2
        tried = [line for line in server.commands if line.startswith(b"RCPT")]
    assert tried.count(b"RCPT TO:<late@x.invalid>") == 2
    assert tried.count(b"RCPT TO:<fine@x.invalid>") == 1
    assert still.entry(queue_id).recipients()[1].tries == 2


async def test_a_refused_mail_or_data_concerns_every_recipient(still: World) -> None:
    for script, states in (
        (Script(mail=b"451 4.3.0 not now"), b"TT"),
        (Script(mail=b"550 5.7.1 not you"), b"BB"),
        (Script(data=b"451 4.3.0 not now"), b"TT"),
        (Script(dot=b"451 4.3.0 not now"), b"TT"),
        (Script(dot=b"554 5.6.0 not that"), b"BB"),
    ):
        queue_id = still.submit(b"one@x.invalid", b"two@x.invalid")
        async with ScriptedServer(script) as server:
            await still.once(server)
        gone = states == b"BB"
        assert (queue_id not in still.ids()) == gone
        if not gone:
            assert still.states(queue_id) == states


async def test_all_delivered_leaves_nothing_behind(still: World) -> None:
    still.submit(b"one@x.invalid", b"two@x.invalid")
    async with ScriptedServer() as server:
        runner = await still.once(server)
        (message,) = server.received
    assert [address for address, _ in message.recipients] == [
        b"one@x.invalid",
        b"two@x.invalid",
    ]
    assert set(runner.fates.values()) == {Fate.SETTLED}
    left = [path.name for path in still.path.glob("q.*/[qdtbx]f*")]
    assert left == []
    assert [line["event"] for line in still.journal()][-1] == "finished"


# -- in doubt ------------------------------------------------------------------

LOST_AFTER_THE_DOT = Script(verdict=Act(drop=True))


async def test_silence_after_the_dot_is_doubt_and_tried_again_by_default(
    still: World, clock: StillClock
) -> None:
    queue_id = still.submit(b"one@x.invalid", b"two@x.invalid")
    async with ScriptedServer(LOST_AFTER_THE_DOT) as server:
        runner = await still.once(server)
    assert still.states(queue_id) == b"UU"
    assert set(runner.fates.values()) == {Fate.LEFT}
    assert still.journal("possible_duplicate") == []
    clock.offset = 3600
    async with ScriptedServer() as server:
        await still.once(server)
        assert len(server.received) == 1
    assert queue_id not in still.ids()
    events = [line["event"] for line in still.journal() if line.get("id") == queue_id]
    assert events.index("possible_duplicate") < events.index("delivered")
    (line,) = still.journal("possible_duplicate")
    assert [address for _, address in line["recipients"]] == [
        "one@x.invalid",
        "two@x.invalid",
    ]


async def test_in_doubt_hold_waits_for_an_operator(
    make_world: Callable[..., World], clock: StillClock
) -> None:
    world = make_world(clock=clock, spool={"in_doubt": "hold"})
    queue_id = world.submit(b"one@x.invalid")
    async with ScriptedServer(LOST_AFTER_THE_DOT) as server:
        await world.once(server)
    clock.offset = 10 * 86400
    async with ScriptedServer() as server:
        await world.once(server)
        assert server.connections == 0
    assert world.states(queue_id) == b"U"
    assert world.journal("expired") == []


async def test_a_connection_lost_before_the_dot_is_no_doubt(still: World) -> None:
    large = DATA + (b"y" * 76 + b"\r\n") * 100_000  # its dot comes in a later write
    for script in (Script(body=Act(drop=True)), Script(data=Act(drop=True))):
        queue_id = still.submit(b"one@x.invalid", data=large)
        async with ScriptedServer(script) as server:
            await still.once(server)
        assert still.states(queue_id) == b"T"
        assert still.entry(queue_id).tries == 1
    assert still.journal("in_doubt") == []


@pytest.mark.parametrize(
    "phase", ["greeting", "ehlo", "mail", "data", "body", "dot", "verdict"]
)
async def test_a_stall_in_any_phase_ends_and_says_so(
    make_world: Callable[..., World], phase: str
) -> None:
    world = make_world(
        delivery={f"{name}_timeout": 1.0 for name in ("greeting", "command", "data")}
        | {"dot_timeout": 1.0, "quit_timeout": 0.2}
    )
    queue_id = world.submit(b"one@x.invalid", data=b"Subject: x\r\n\r\nx\r\n")
    async with ScriptedServer(at(phase, b"")) as server:
        runner = await world.once(server)
    entry = world.entry(queue_id)
    # The bytes of a small message go with the dot: without answer, that is doubt.
    doubt = phase in {"body", "dot", "verdict"}
    assert entry.states == (b"U" if doubt else b"T")
    assert entry.tries == 1
    assert entry.last_reply
    assert set(runner.fates.values()) == {Fate.LEFT}


@pytest.mark.parametrize(
    "phase", ["greeting", "ehlo", "mail", "data", "dot", "verdict"]
)
async def test_garbage_in_any_phase_delivers_nothing_silently(
    still: World, phase: str
) -> None:
    queue_id = still.submit(b"one@x.invalid")
    garbage = Act(reply=b"\x16\x03\x01 what is this\x00", drop=True)
    async with ScriptedServer(at(phase, garbage)) as server:
        await still.once(server)
    assert still.states(queue_id) in (b"T", b"U")
    assert still.journal("delivered") == []


async def test_421_in_the_middle_defers_and_goes_on_elsewhere(still: World) -> None:
    first = still.submit(b"one@x.invalid")
    second = still.submit(b"two@x.invalid")
    turns = iter([b"421 4.3.2 shutting down"])
    async with ScriptedServer(Script(mail=lambda _: next(turns, None))) as server:
        still.reconfigure(delivery={"concurrency": 1})
        await still.once(server)
        assert len(server.received) == 1
    (left,) = still.ids()
    assert left in (first, second)
    assert still.entry(left).last_reply.startswith(b"421")


# -- failures, notices, expiry -------------------------------------------------

REFUSE_ALL = Script(rcpt=lambda to: None if to == ME else b"550 5.1.1 no")
GREYLIST = Script(rcpt=lambda to: None if to == ME else b"450 4.2.0 grey")


async def test_a_failure_is_returned_to_the_sender_in_the_same_pass(
    still: World,
) -> None:
    queue_id = still.submit(b"never@x.invalid", b"fine@x.invalid")
    async with ScriptedServer(MIXED) as server:
        runner = await still.once(server)
        notice = server.received[-1]
    assert notice.sender == b""
    assert [address for address, _ in notice.recipients] == [ME]
    assert b"multipart/report" in notice.data
    assert b"never@x.invalid" in notice.data
    assert b"5.1.1" in notice.data
    assert still.ids() == set()
    assert len(runner.fates) == 2
    assert queue_id in notice.data.decode()


async def test_a_bounce_is_never_bounced_but_kept(still: World) -> None:
    queue_id = still.submit(b"never@x.invalid", sender=b"")
    async with ScriptedServer(REFUSE_ALL) as server:
        await still.once(server)
        assert server.received == []
    assert still.ids() == {queue_id}
    assert still.states(queue_id) == b"F"
    assert still.texts("bf", queue_id) == {0: b"no"}


async def test_the_postmaster_gets_what_cannot_be_returned(
    make_world: Callable[..., World],
) -> None:
    world = make_world(bounce={"postmaster": ME.decode()})
    world.submit(b"never@x.invalid", sender=b"")
    async with ScriptedServer(REFUSE_ALL) as server:
        await world.once(server)
        (notice,) = server.received
    assert [address for address, _ in notice.recipients] == [ME]
    assert world.ids() == set()


async def test_a_notice_that_fails_makes_no_other(still: World) -> None:
    still.submit(b"never@x.invalid")
    async with ScriptedServer(Script(rcpt=lambda _: b"550 5.1.1 no")) as server:
        await still.once(server)
        assert server.received == []
    (left,) = still.ids()
    assert still.states(left) == b"F"
    assert still.entry(left).via == b"dsn"


async def test_notify_never_gets_no_notice(still: World) -> None:
    still.submit(b"never@x.invalid", notify=b"NEVER")
    async with ScriptedServer(REFUSE_ALL) as server:
        await still.once(server)
        assert server.received == []
    assert still.ids() == set()


@pytest.mark.parametrize(("ret", "whole"), [(b"FULL", True), (b"HDRS", False)])
async def test_ret_says_how_much_comes_back(
    still: World, ret: bytes, whole: bool
) -> None:
    still.submit(b"never@x.invalid", ret=ret, data=b"Subject: s\r\n\r\nthe body\r\n")
    async with ScriptedServer(REFUSE_ALL) as server:
        await still.once(server)
        (notice,) = server.received
    assert b"Subject: s" in notice.data
    assert (b"the body" in notice.data) == whole


async def test_the_sender_hears_of_a_delay_once(
    still: World, clock: StillClock
) -> None:
    queue_id = still.submit(b"late@x.invalid")
    async with ScriptedServer(GREYLIST) as server:
        await still.once(server)
        for hours in (3, 5, 8, 24):
            clock.offset = hours * 3600
            await still.once(server)
            assert len(server.received) == (hours > 4)
        (notice,) = server.received
    assert b"Action: delayed" in notice.data
    assert still.entry(queue_id).warned
    assert still.entry(queue_id).tries == 5


async def test_mail_expires_only_after_a_try(still: World, clock: StillClock) -> None:
    queue_id = still.submit(b"late@x.invalid", b"fine@x.invalid")
    clock.offset = 6 * 86400
    async with ScriptedServer(MIXED) as server:
        await still.once(server)
        fine, notice = server.received
    assert [address for address, _ in fine.recipients] == [b"fine@x.invalid"]
    assert [address for address, _ in notice.recipients] == [ME]
    assert b"5.4.7" in notice.data
    assert b"late@x.invalid" in notice.data
    assert still.ids() == set()
    (expired,) = still.journal("expired")
    assert expired["id"] == queue_id

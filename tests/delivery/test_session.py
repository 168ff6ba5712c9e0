"""Transactions over a real server: what is sent, and what becomes of whom."""

from __future__ import annotations

import pytest

from tests.delivery.world import BODY, Watcher, batch, deliver, session
from tuiq.delivery.esmtp import Offers, stuffed
from tuiq.demo.script import Act, Script
from tuiq.demo.server import ScriptedServer
from tuiq.mail.envelope import Recipient
from tuiq.mail.outcome import Verdict

DELIVERED, DEFERRED, FAILED, IN_DOUBT, UNTRIED = Verdict
PLAIN = tuple(name for name in Script().extensions if name != b"PIPELINING")


async def test_mail_fifty_rcpt_and_data_travel_in_one_segment() -> None:
    addresses = [b"user%02d@example.invalid" % n for n in range(50)]
    async with ScriptedServer() as server:
        transaction = batch(*addresses)
        delivered = await deliver(server, transaction)
    envelope = next(s for s in server.segments if s.startswith(b"MAIL"))
    assert envelope.startswith(b"MAIL FROM:<me@tuiq.invalid>")
    assert envelope.count(b"RCPT TO:<") == 50
    assert envelope.endswith(b"\r\nDATA\r\n")
    assert delivered.reusable
    assert transaction.verdicts == [DELIVERED] * 50
    assert transaction.dotted == list(range(50))
    (received,) = server.received
    assert [address for address, _ in received.recipients] == addresses
    assert received.data == BODY


async def test_the_body_and_its_dot_travel_in_one_segment() -> None:
    async with ScriptedServer() as server:
        await deliver(server, batch())
    assert BODY + b".\r\n" in server.segments


async def test_without_pipelining_each_command_waits_for_its_answer() -> None:
    async with ScriptedServer(Script(extensions=PLAIN)) as server:
        transaction = batch()
        await deliver(server, transaction)
    assert transaction.verdicts == [DELIVERED] * 3
    assert all(s.count(b"\r\n") == 1 for s in server.segments if b"RCPT" in s)


async def test_a_session_takes_many_transactions_over_one_connection() -> None:
    async with ScriptedServer() as server, session(server) as opened:
        for _ in range(20):
            transaction = batch()
            assert (await opened.deliver(transaction)).reusable
            assert transaction.verdicts == [DELIVERED] * 3
    assert server.connections == 1
    assert len(server.received) == 20


async def test_a_refused_recipient_is_settled_alone_and_before_the_dot() -> None:
    script = Script(
        rcpt={b"a@x.invalid": b"550 5.1.1 No such user", b"b@x.invalid": b"450 4.2.1 x"}
    )
    async with ScriptedServer(script) as server:
        transaction = batch()
        await deliver(server, transaction)
    assert transaction.verdicts == [FAILED, DEFERRED, DELIVERED]
    assert transaction.settlements == [[0, 1], [2]]
    assert transaction.said(0) == b"550 5.1.1 No such user"
    assert server.received[0].recipients == ((b"c@x.invalid", b""),)


@pytest.mark.parametrize("extensions", [Script().extensions, PLAIN])
async def test_too_many_recipients_leaves_the_rest_untried_and_names_the_limit(
    extensions: tuple[bytes, ...],
) -> None:
    script = Script(max_recipients=2, extensions=extensions)
    async with ScriptedServer(script) as server:
        transaction = batch(*(b"u%d@x.invalid" % n for n in range(5)))
        delivered = await deliver(server, transaction)
    assert transaction.verdicts == [DELIVERED] * 2 + [UNTRIED] * 3
    assert delivered.batch_limit == 2
    assert delivered.reusable


@pytest.mark.parametrize("reply", [b"452 4.5.3 Too many", b"452 Too many"])
async def test_too_many_for_the_very_first_recipient_is_a_deferral(
    reply: bytes,
) -> None:
    script = Script(rcpt={b"a@x.invalid": reply})
    async with ScriptedServer(script) as server:
        transaction = batch()
        delivered = await deliver(server, transaction)
    assert transaction.verdicts == [DEFERRED, DELIVERED, DELIVERED]
    assert delivered.batch_limit is None


async def test_another_452_is_a_deferral_of_that_recipient() -> None:
    script = Script(rcpt={b"b@x.invalid": b"452 4.2.2 Mailbox full"})
    async with ScriptedServer(script) as server:
        transaction = batch()
        delivered = await deliver(server, transaction)
    assert transaction.verdicts == [DELIVERED, DEFERRED, DELIVERED]
    assert delivered.batch_limit is None


async def test_a_refused_mail_counts_for_everybody_and_the_session_goes_on() -> None:
    answers = iter([b"451 4.3.0 Not now", None])
    script = Script(mail=lambda _: next(answers))
    async with ScriptedServer(script) as server, session(server) as opened:
        first, second = batch(), batch()
        assert (await opened.deliver(first)).reusable
        await opened.deliver(second)
    assert first.verdicts == [DEFERRED] * 3
    assert first.dotted is None
    assert second.verdicts == [DELIVERED] * 3


async def test_refused_data_counts_for_those_accepted_and_the_session_is_reset() -> (
    None
):
    answers = iter([b"554 5.7.1 No", None])
    script = Script(data=lambda _: next(answers), rcpt={b"b@x.invalid": b"450 x"})
    async with ScriptedServer(script) as server, session(server) as opened:
        first, second = batch(), batch()
        assert (await opened.deliver(first)).reusable
        await opened.deliver(second)
    assert first.verdicts == [FAILED, DEFERRED, FAILED]
    assert b"RSET" in server.commands
    assert second.verdicts == [DELIVERED, DEFERRED, DELIVERED]


async def test_a_354_for_nobody_gets_a_lone_dot_whose_250_marks_nobody() -> None:
    script = Script(rcpt=lambda _: b"550 5.1.1 No", empty_data=True)
    async with ScriptedServer(script) as server, session(server) as opened:
        first, second = batch(), batch()
        assert (await opened.deliver(first)).reusable
        await opened.deliver(second)
    assert first.verdicts == [FAILED] * 3
    assert first.dotted is None
    assert b".\r\n" in server.segments
    assert [message.data for message in server.received] == [b"", b""]


@pytest.mark.parametrize(
    ("reply", "verdict"), [(b"451 4.3.0 x", DEFERRED), (b"554 5.6.0 x", FAILED)]
)
async def test_a_refusal_after_the_dot_is_the_verdict_of_those_accepted(
    reply: bytes, verdict: Verdict
) -> None:
    async with ScriptedServer(Script(dot=reply)) as server:
        transaction = batch()
        delivered = await deliver(server, transaction)
    assert transaction.verdicts == [verdict] * 3
    assert delivered.reusable
    assert not server.received


@pytest.mark.parametrize("point", ["dot", "verdict"])
async def test_a_drop_after_the_dot_is_in_doubt_whether_recorded_or_not(
    point: str,
) -> None:
    script = Script(**{point: Act(drop=True)})  # type: ignore[arg-type]
    async with ScriptedServer(script) as server:
        transaction = batch()
        delivered = await deliver(server, transaction)
    assert transaction.verdicts == [IN_DOUBT] * 3
    assert not delivered.reusable
    assert delivered.lost is not None
    assert delivered.lost.enhanced == b"4.4.2"
    assert [message.replied for message in server.received] == (
        [] if point == "dot" else [False]
    )


@pytest.mark.parametrize("point", ["mail", "data", "body"])
async def test_a_drop_before_the_dot_defers_everybody(point: str) -> None:
    script = Script(**{point: Act(drop=True)})  # type: ignore[arg-type]
    async with ScriptedServer(script) as server:
        transaction = batch(on_dot=None, pieces=(b"x" * 76 + b"\r\n",) * 100_000)
        delivered = await deliver(server, transaction)
    assert transaction.verdicts == [DEFERRED] * 3
    assert transaction.dotted is None
    assert b"4.4.2" in transaction.said(0)
    assert not delivered.reusable


async def test_a_refusal_in_the_middle_of_the_data_counts_and_no_dot_is_sent() -> None:
    script = Script(body=Act(reply=b"552 5.3.4 Too big for us", drop=True))
    async with ScriptedServer(script) as server:
        transaction = batch(pieces=(b"x" * 76 + b"\r\n",) * 100_000)
        await deliver(server, transaction)
    assert transaction.verdicts == [FAILED] * 3
    assert transaction.dotted is None
    assert not server.received


async def test_a_success_said_before_the_dot_is_not_taken_for_its_answer() -> None:
    script = Script(data=Act(reply=b"354 go\r\n250 2.0.0 Ok: queued"))
    async with ScriptedServer(script) as server:
        transaction = batch()
        delivered = await deliver(server, transaction)
    assert transaction.verdicts == [DEFERRED] * 3
    assert transaction.dotted is None
    assert not delivered.reusable


async def test_a_session_over_after_use_leaves_the_next_recipients_untried() -> None:
    async with ScriptedServer(Script(max_transactions=1)) as server:
        first, second = batch(), batch()
        async with session(server) as opened:
            await opened.deliver(first)
            delivered = await opened.deliver(second)
    assert first.verdicts == [DELIVERED] * 3
    assert second.verdicts == [UNTRIED] * 3
    assert not delivered.reusable
    assert delivered.lost is not None
    assert delivered.lost.code == 421


async def test_nonsense_on_a_used_session_is_no_end_of_it_and_defers() -> None:
    answers = iter([None, Act(reply=b"354 Confused", drop=True)])
    async with ScriptedServer(Script(mail=lambda _: next(answers))) as server:
        first, second = batch(), batch()
        async with session(server) as opened:
            await opened.deliver(first)
            await opened.deliver(second)
    assert second.verdicts == [DEFERRED] * 3


async def test_421_on_a_fresh_session_defers_with_the_servers_words() -> None:
    async with ScriptedServer(Script(mail=b"421 4.3.2 Shutting down")) as server:
        transaction = batch()
        await deliver(server, transaction)
    assert transaction.verdicts == [DEFERRED] * 3
    assert transaction.said(2) == b"421 4.3.2 Shutting down"


async def test_a_session_found_dead_begins_no_transaction() -> None:
    async with ScriptedServer() as server, session(server) as opened:
        opened.abort()
        transaction = batch()
        delivered = await opened.deliver(transaction)
    assert not opened.alive
    assert not delivered.begun
    assert transaction.begun == 0


async def test_nobody_wanted_any_more_means_nothing_is_sent() -> None:
    async with ScriptedServer() as server:
        transaction = batch()
        transaction.wanted = lambda _: False
        assert (await deliver(server, transaction)).reusable
    assert not any(line.startswith(b"MAIL") for line in server.commands)


async def test_smuggling_forms_stay_inside_one_message() -> None:
    body = b"S: x\r\n\r\na\r\n.\r\nMAIL FROM:<evil@x>\r\n.\r\n..\r\n.x\r\n.\r\n"
    async with ScriptedServer() as server:
        transaction = batch(pieces=[body[n : n + 1] for n in range(len(body))])
        await deliver(server, transaction)
    assert [message.data for message in server.received] == [body]
    assert transaction.verdicts == [DELIVERED] * 3


async def test_a_large_body_arrives_whole_and_waits_for_the_reader() -> None:
    pieces = [b"%06d " % n + b"." * 70 + b"\r\n.\r\n" for n in range(60_000)]
    async with ScriptedServer(Script(body=Act(delay=0.2))) as server:
        transaction = batch(pieces=pieces)
        watcher = Watcher()
        await deliver(server, transaction, watcher=watcher)
    assert server.received[0].data == b"".join(pieces)
    assert transaction.verdicts == [DELIVERED] * 3
    assert watcher.phases[-6:] == ["mail", "data", "body", "dot", "idle", "quit"]


def test_stuffing_does_not_depend_on_where_pieces_end() -> None:
    body = b".a\r\n..\r\n\r\n.\r\nx.\r\n"
    whole = b"".join(stuffed([body]))
    assert whole == b"..a\r\n...\r\n\r\n..\r\nx.\r\n"
    assert b"".join(stuffed([body[n : n + 1] for n in range(len(body))])) == whole
    assert b"".join(stuffed([b"no line end"])) == b"no line end\r\n"
    assert b"".join(stuffed([])) == b""


async def test_extensions_are_used_where_offered() -> None:
    recipient = Recipient(
        address="jürgen@x.invalid".encode(),
        notify=b"FAILURE,DELAY",
        orcpt=b"rfc822;j@x.invalid",
    )
    transaction = batch(
        pieces=("Subject: ü\r\n\r\n".encode(),),
        recipients=(recipient,),
        ret=b"HDRS",
        envid=b"QQ314159",
    )
    async with ScriptedServer(Script(size=1000)) as server:
        await deliver(server, transaction)
    (received,) = server.received
    assert received.mail_args == (
        b"SIZE=15 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ314159"
    )
    assert received.recipients == (
        (recipient.address, b"NOTIFY=FAILURE,DELAY ORCPT=rfc822;j@x.invalid"),
    )


async def test_extensions_that_are_not_offered_are_not_used() -> None:
    recipient = Recipient(address=b"j@x.invalid", notify=b"NEVER", orcpt=b"rfc822;j@x")
    transaction = batch(
        pieces=("ü\r\n".encode(),), recipients=(recipient,), ret=b"FULL", envid=b"1"
    )
    async with ScriptedServer(Script(extensions=())) as server:
        await deliver(server, transaction)
    (received,) = server.received
    assert received.mail_args == b""
    assert received.recipients == ((b"j@x.invalid", b""),)
    assert received.data == "ü\r\n".encode()


async def test_a_message_too_large_fails_without_being_sent() -> None:
    async with ScriptedServer(Script(size=10)) as server:
        transaction = batch()
        assert (await deliver(server, transaction)).reusable
    assert transaction.verdicts == [FAILED] * 3
    assert b"5.3.4" in transaction.said(0)
    assert not any(line.startswith(b"MAIL") for line in server.commands)


async def test_only_the_recipient_that_needs_smtputf8_fails_without_it() -> None:
    async with ScriptedServer(Script(extensions=(b"PIPELINING",))) as server:
        transaction = batch(b"a@x.invalid", "ü@x.invalid".encode())
        await deliver(server, transaction)
    assert transaction.verdicts == [DELIVERED, FAILED]
    assert b"5.6.7" in transaction.said(1)


async def test_a_message_that_needs_smtputf8_fails_without_it() -> None:
    async with ScriptedServer(Script(extensions=(b"PIPELINING",))) as server:
        transaction = batch(smtputf8=True)
        await deliver(server, transaction)
    assert transaction.verdicts == [FAILED] * 3
    assert b"5.6.7" in transaction.said(1)


async def test_eight_bit_data_fails_without_8bitmime_where_so_set() -> None:
    async with ScriptedServer(Script(extensions=(b"PIPELINING",))) as server:
        transaction = batch(pieces=(b"\xe4\r\n",))
        await deliver(server, transaction, eight_bit="fail")
    assert transaction.verdicts == [FAILED] * 3
    assert b"5.6.3" in transaction.said(1)


async def test_control_characters_in_an_address_never_reach_the_wire() -> None:
    async with ScriptedServer() as server:
        transaction = batch(b"a@x>\r\nRCPT TO:<evil@x", b"b@x.invalid")
        await deliver(server, transaction)
    assert transaction.verdicts == [FAILED, DELIVERED]
    assert not any(b"evil" in line for line in server.commands)


async def test_the_watcher_hears_the_dialogue_without_the_data() -> None:
    watcher = Watcher()
    async with ScriptedServer() as server:
        await deliver(server, batch(b"a@x.invalid"), watcher=watcher)
    said = [line for who, line in watcher.lines if who == "C"]
    assert said == [
        b"EHLO client.invalid",
        b"MAIL FROM:<me@tuiq.invalid>",
        b"RCPT TO:<a@x.invalid>",
        b"DATA",
        b"QUIT",
    ]
    assert ("S", b"354 Go ahead") in watcher.lines
    assert not any(b"Hello" in line for _, line in watcher.lines)


async def test_a_reply_too_many_ends_the_session_before_the_next_transaction() -> None:
    script = Script(verdict=b"250 2.0.0 Ok\r\n250 2.0.0 Ok")
    async with ScriptedServer(script) as server, session(server) as opened:
        first, second = batch(), batch()
        await opened.deliver(first)
        assert not opened.alive
        delivered = await opened.deliver(second)
    assert first.verdicts == [DELIVERED] * 3
    assert (delivered.begun, delivered.reusable) == (False, False)
    assert second.begun == 0


async def test_a_session_closed_while_idle_begins_no_transaction() -> None:
    closing = Act(reply=b"250 2.0.0 Ok\r\n421 4.4.2 Idle too long", drop=True)
    async with ScriptedServer(Script(verdict=closing)) as server:
        first, second = batch(), batch()
        async with session(server) as opened:
            assert not (await opened.deliver(first)).reusable
            delivered = await opened.deliver(second)
    assert first.verdicts == [DELIVERED] * 3
    assert not delivered.begun
    assert delivered.lost is not None
    assert delivered.lost.text == b"Idle too long"


async def test_replies_after_421_are_not_looked_at() -> None:
    script = Script(mail=Act(reply=b"421 4.3.2 Bye\r\n250 Ok\r\n250 Ok\r\n354 Go"))
    async with ScriptedServer(script) as server:
        transaction = batch()
        await deliver(server, transaction)
    assert transaction.verdicts == [DEFERRED] * 3
    assert transaction.said(0) == b"421 4.3.2 Bye"


async def test_a_session_that_refuses_rset_is_not_used_again() -> None:
    script = Script(data=b"451 4.3.0 No", rset=b"500 5.5.2 What?")
    async with ScriptedServer(script) as server:
        transaction = batch()
        delivered = await deliver(server, transaction)
    assert transaction.verdicts == [DEFERRED] * 3
    assert not delivered.reusable


async def test_the_offers_of_a_server_are_known_once_it_is_open() -> None:
    async with (
        ScriptedServer(Script(extensions=(b"DSN",), size=7)) as server,
        session(server) as opened,
    ):
        assert opened.offers == Offers(dsn=True, size=7)

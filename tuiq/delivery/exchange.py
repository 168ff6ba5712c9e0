"""One transaction over an open session: MAIL … final dot, and what became of whom.

The order of FORMAT.md, sequence D: *begin* before MAIL, *dot* before the bytes that
hold the dot, *settle* exactly once for each slot, whatever ends the transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiq.delivery import classify
from tuiq.delivery.esmtp import (
    Offers,
    mail_command,
    rcpt_command,
    refusal,
    stuffed,
)
from tuiq.delivery.transport import Delivered
from tuiq.mail.outcome import Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiq.config import DeliveryConfig
    from tuiq.delivery.pipeline import Wire
    from tuiq.delivery.transport import SessionWatcher, Transaction
    from tuiq.mail.envelope import Recipient
    from tuiq.mail.reply import Reply

_BLOCK = 256 * 1024


@dataclass(slots=True, kw_only=True)
class Link:
    """A session that is ready for MAIL."""

    wire: Wire
    offers: Offers
    config: DeliveryConfig
    watcher: SessionWatcher
    lmtp: bool = False
    """After the dot each recipient gets a reply of its own (RFC 2033 §4.2)."""
    used: int = 0
    """Transactions it has had."""

    def enter(self, phase: str) -> None:
        """Say where the conversation is."""
        self.wire.phase = phase
        self.watcher.phase(phase)

    def say(self, *commands: bytes) -> None:
        """Send command lines in one write; nothing once the session is lost."""
        if self.wire.lost is not None:
            return
        sent = self.watcher.sent
        for command in commands:
            sent(command)
        self.wire.send(b"\r\n".join(commands) + b"\r\n")


class Exchange:
    """The conversation about one transaction."""

    def __init__(self, link: Link, transaction: Transaction) -> None:
        """Carry *transaction* over *link*."""
        self._link = link
        self._wire = link.wire
        self._transaction = transaction
        # The slots that nobody was told about yet; owned by _settle.
        self._open: set[int] = set()
        # Whether the bytes with the dot may have left.
        self._dotted = False

    async def run(self) -> Delivered:
        """Begin, converse and settle.

        Interrupted (cancelled, or the transaction raised) before the dot left, the
        open slots are settled as untried, after it as in doubt; the connection is
        dropped and the interruption goes on.
        """
        wanted = self._transaction.begin()
        if not wanted:
            return Delivered(reusable=True)
        self._open = {index for index, _ in wanted}
        try:
            limit = await self._converse(wanted)
        except BaseException:
            self._wire.fail(classify.INTERRUPTED)
            verdict = Verdict.IN_DOUBT if self._dotted else Verdict.UNTRIED
            rest = sorted(self._open)
            self._settle(classify.alike(rest, verdict, classify.INTERRUPTED))
            raise
        lost = self._wire.lost
        return Delivered(reusable=lost is None, batch_limit=limit, lost=lost)

    def _settle(self, outcomes: Sequence[Outcome]) -> None:
        if outcomes:
            self._open.difference_update([outcome.index for outcome in outcomes])
            self._transaction.settle(outcomes)

    async def _converse(self, wanted: list[tuple[int, Recipient]]) -> int | None:
        batch = self._sendable(wanted)
        if not batch:
            return None
        slots = [slot for slot, _ in batch]
        answers = await self._ask([line for _, line in batch])
        judgement = classify.judge(
            slots, answers, self._wire.lost, stale=self._is_stale(answers.mail)
        )
        self._settle(judgement.settled)
        if judgement.accepted:
            await self._send(judgement.accepted)
        elif answers.data is not None and answers.go_ahead:
            await self._send_nothing(answers.data)
        elif answers.started:
            await self._reset()
        return judgement.batch_limit

    def _sendable(self, wanted: list[tuple[int, Recipient]]) -> list[tuple[int, bytes]]:
        """Settle those who cannot be sent to; return slot and RCPT line of the rest."""
        offers = self._link.offers
        setting = self._link.config.eight_bit
        reason = refusal(self._transaction, offers, setting)
        settled: list[Outcome] = []
        batch: list[tuple[int, bytes]] = []
        for slot, recipient in wanted:
            line = reason or rcpt_command(recipient, offers)
            if isinstance(line, bytes):
                batch.append((slot, line))
            else:
                settled.append(classify.refused(slot, line))
        self._settle(settled)
        return batch

    def _is_stale(self, mail: Reply | None) -> bool:
        """Say whether the server had already ended a session that was used before."""
        ended = self._wire.hung_up and (mail is None or mail.code == 421)
        return ended and self._link.used > 0

    # MAIL, RCPT, DATA.

    async def _ask(self, lines: list[bytes]) -> classify.Answers:
        utf8 = any(not line.isascii() for line in lines)
        mail = mail_command(self._transaction, self._link.offers, utf8=utf8)
        self._link.enter("mail")
        if self._link.offers.pipelining:
            replies = await self._ask_at_once([mail, *lines])
        else:
            replies = await self._ask_in_turn([mail, *lines])
        for place, reply in enumerate(replies):
            if not classify.fits(reply, place, len(lines)):
                self._wire.misled(reply)
                del replies[place:]
                break
        return classify.arrange(replies, len(lines))

    async def _ask_at_once(self, commands: list[bytes]) -> list[Reply]:
        config, count = self._link.config, len(commands)
        self._link.say(*commands, b"DATA")
        replies = await self._wire.take(count, config.command_timeout)
        if len(replies) == count:
            self._link.enter("data")
            replies += await self._wire.take(1, config.data_timeout)
        return replies

    async def _ask_in_turn(self, commands: list[bytes]) -> list[Reply]:
        config = self._link.config
        replies: list[Reply] = []
        for place, command in enumerate(commands):
            self._link.say(command)
            replies += await self._wire.take(1, config.command_timeout)
            answered = len(replies) == place + 1
            if not answered or replies[-1].code // 100 == 3:
                return replies
            if not replies[0].is_positive:
                return replies
        if any(reply.is_positive for reply in replies[1:]):
            self._link.enter("data")
            self._link.say(b"DATA")
            replies += await self._wire.take(1, config.data_timeout)
        return replies

    # The data.

    async def _send(self, accepted: list[int]) -> None:
        self._link.enter("body")
        end = await self._send_blocks()
        ended = self._ended_early()
        if ended is None:
            await self._transaction.dot(accepted)
            ended = self._ended_early()
        if ended is not None:
            self._settle([classify.refused(slot, ended) for slot in accepted])
            return
        self._link.enter("dot")
        self._dotted = True
        self._wire.send(end + b".\r\n")
        # LMTP: each verdict is settled as it comes, the next may take its time.
        shares = [[slot] for slot in accepted] if self._link.lmtp else [accepted]
        for place, share in enumerate(shares):
            self._wire.owed = len(shares) - place
            verdict, words = await self._verdict()
            self._settle(classify.alike(share, verdict, words))
        self._wire.owed = 0

    async def _verdict(self) -> tuple[Verdict, Reply]:
        """Return what the next reply to the dot means, or that none came."""
        replies = await self._wire.take(1, self._link.config.dot_timeout)
        reply = replies[0] if replies else None
        if reply is not None and reply.code // 100 == 3:
            self._wire.misled(reply)
            reply = None
        return classify.after_dot(reply, self._wire.lost)

    async def _send_blocks(self) -> bytes:
        """Send all but the last block of the data; return that one."""
        block = bytearray()
        for piece in stuffed(self._transaction.data()):
            if block and len(block) + len(piece) > _BLOCK:
                self._wire.send(bytes(block))
                block.clear()
                await self._wire.drain(self._link.config.block_timeout)
                if not self._wire.quiet:
                    break
            block += piece
        return bytes(block)

    def _ended_early(self) -> Reply | None:
        """Return what ended the transaction while the dot has not left, if anything.

        A reply that comes before the dot cannot be the answer to it: a refusal is
        taken for what it says, anything else as out of step.
        """
        if self._wire.quiet:
            return None
        early = self._wire.stray()
        if early is None:
            return self._wire.lost
        if early.is_positive:
            self._wire.misled(early)
            return self._wire.lost
        self._wire.fail(early)
        return early

    async def _send_nothing(self, go_ahead: Reply) -> None:
        """End a DATA that is for nobody; its 250 marks nobody (RFC 2920 §3.1).

        LMTP has no reply for nobody, and the server must not have said 354.
        """
        if self._link.lmtp:
            self._wire.misled(go_ahead)
            return
        self._link.enter("dot")
        self._wire.send(b".\r\n")
        await self._wire.take(1, self._link.config.dot_timeout)

    async def _reset(self) -> None:
        if self._wire.lost is not None:
            return
        self._link.enter("rset")
        self._link.say(b"RSET")
        replies = await self._wire.take(1, self._link.config.command_timeout)
        if replies and replies[0].code // 100 != 2:
            self._wire.fail(replies[0])

"""One transaction over an open session: MAIL … final dot, and what became of whom.

The order of FORMAT.md, sequence D: *begin* before MAIL, *dot* before the bytes that
hold the dot, *settle* exactly once for each slot, whatever ends the transaction.

With PIPELINING the commands of the next transaction may leave in one write with the
dot of this one, since content may begin a group that DATA ends (RFC 2920 §3.1): one
round trip a message.  The two stay strangers all the same: each has its own replies,
and unless the first had its verdict nobody of the second was tried.
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
from tuiq.errors import TuiqError
from tuiq.mail.outcome import Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiq.config import DeliveryConfig
    from tuiq.delivery.pipeline import Wire
    from tuiq.delivery.transport import SessionWatcher, Transaction
    from tuiq.mail.envelope import Recipient
    from tuiq.mail.reply import Reply

_IN_DOUBT = Verdict.IN_DOUBT
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
        if self.wire.lost is None:
            self.wire.send(self.spell(*commands))

    def spell(self, *commands: bytes) -> bytes:
        """Return command lines as they are sent; the watcher hears them now."""
        if self.watcher.wants_lines:
            for command in commands:
                self.watcher.sent(command)
        return b"\r\n".join(commands) + b"\r\n"


class Exchange:
    """The conversation about one transaction."""

    def __init__(self, link: Link, transaction: Transaction) -> None:
        """Carry *transaction* over *link*."""
        self._link = link
        self._wire = link.wire
        self.transaction = transaction
        self.is_begun = False
        """Whether ``begin`` was called, or failed."""
        self.is_ahead = False
        """Whether MAIL … DATA left with the dot of the transaction before."""
        self.is_withdrawn = False
        """Whether it is over before its turn came."""
        # Who is sent to, and their commands: MAIL and a RCPT each.
        self._slots: list[int] = []
        self._commands: list[bytes] = []
        # The slots that nobody was told about yet; owned by _settle.
        self._open: set[int] = set()
        # Whether the bytes with the dot may have left.
        self._dotted = False
        # Whether the session goes on as far as this transaction can tell.
        self._passed_on = False
        self._unheard = False
        self._fault: TuiqError | OSError | None = None

    async def run(self, following: Exchange | None = None) -> Delivered:
        """Begin, converse and settle; *following* may leave with the dot.

        Interrupted (cancelled, or the transaction raised) before the dot left, the
        open slots are settled as untried, after it as in doubt; the connection is
        dropped and the interruption goes on.
        """
        try:
            limit = await self._converse(following)
        except BaseException:
            self._wire.fail(classify.INTERRUPTED)
            verdict = Verdict.IN_DOUBT if self._dotted else Verdict.UNTRIED
            self._settle_rest(verdict)
            raise
        # What ends the session after this verdict is the following one's to tell.
        lost = None if self._passed_on else self._wire.lost
        return Delivered(lost is None, limit, lost, unheard=self._unheard)

    def send_ahead(self) -> bytes:
        """Begin, and return the commands that are to leave with another's dot.

        What goes wrong here is raised when it is this one's turn.
        """
        if self.is_withdrawn:
            return b""
        try:
            self._begin()
        except (TuiqError, OSError) as error:
            self._fault = error
            return b""
        if not self._slots:
            return b""
        self.is_ahead = True
        return self._link.spell(*self._commands, b"DATA")

    @property
    def owed(self) -> int:
        """Return how many replies come to what was sent ahead."""
        return len(self._commands) + 1 if self.is_ahead else 0

    def withdraw(self) -> None:
        """Send nothing any more; settle as untried what was sent ahead."""
        self.is_withdrawn = True
        self._settle_rest(Verdict.UNTRIED)

    def _settle_rest(self, verdict: Verdict) -> None:
        rest = sorted(self._open)
        self._settle(classify.alike(rest, verdict, classify.INTERRUPTED))

    def _settle(self, outcomes: Sequence[Outcome]) -> None:
        if not outcomes:
            return
        discard = self._open.discard
        for outcome in outcomes:
            discard(outcome.index)
        self.transaction.settle(outcomes)

    async def _converse(self, following: Exchange | None) -> int | None:
        self._begin()
        if not self._slots:
            return None
        self._link.enter("mail")
        # What was sent ahead has its answers by now, as a rule, and good ones.
        replies = self._wire.taken(self.owed) if self.is_ahead else []
        if classify.is_plain(replies, len(self._slots)):
            self._wire.owed = 0
            await self._send(self._slots, following)
            return None
        return await self._heed(replies, following)

    async def _heed(
        self, replies: list[Reply], following: Exchange | None
    ) -> int | None:
        """Do what the answers to MAIL, RCPT and DATA ask for; *replies* came early."""
        answers = await self._ask(replies)
        self._unheard = self.is_ahead and answers.mail is None
        stale = self._unheard or self._is_stale(answers.mail)
        judgement = classify.judge(self._slots, answers, self._wire.lost, stale=stale)
        self._settle(judgement.settled)
        if judgement.accepted:
            await self._send(judgement.accepted, following)
        elif answers.data is not None and answers.go_ahead:
            await self._send_nothing(answers.data)
        elif answers.started:
            await self._reset()
        return judgement.batch_limit

    def _begin(self) -> None:
        """Open the attempts, once; see who can be sent to."""
        if self._fault is not None:
            raise self._fault
        if self.is_begun:
            return
        self.is_begun = True
        wanted = self.transaction.begin()
        self._open = {index for index, _ in wanted}
        if wanted:
            self._compose(wanted)

    def _compose(self, wanted: list[tuple[int, Recipient]]) -> None:
        """Settle those who cannot be sent to; make the commands for the rest."""
        offers = self._link.offers
        setting = self._link.config.eight_bit
        mail = mail_command(self.transaction, offers)
        reason = refusal(self.transaction, mail, offers, setting)
        settled: list[Outcome] = []
        commands = self._commands
        commands.append(mail)
        for slot, recipient in wanted:
            line = reason or rcpt_command(recipient, offers)
            if isinstance(line, bytes):
                self._slots.append(slot)
                commands.append(line)
            else:
                settled.append(classify.refused(slot, line))
        if offers.smtputf8 and not all(map(bytes.isascii, commands)):
            commands[0] = mail_command(self.transaction, offers, utf8=True)
        self._settle(settled)

    def _is_stale(self, mail: Reply | None) -> bool:
        """Say whether the server had already ended a session that was used before."""
        ended = self._wire.hung_up and (mail is None or mail.code == 421)
        return ended and self._link.used > 0

    # MAIL, RCPT, DATA.

    async def _ask(self, replies: list[Reply]) -> classify.Answers:
        if not replies:
            if self._link.offers.pipelining:
                replies = await self._ask_at_once(self._commands)
            else:
                replies = await self._ask_in_turn(self._commands)
        self._wire.owed = 0
        recipients = len(self._slots)
        for place, reply in enumerate(replies):
            if not classify.fits(reply, place, recipients):
                self._wire.misled(reply)
                del replies[place:]
                break
        return classify.arrange(replies, recipients)

    async def _ask_at_once(self, commands: list[bytes]) -> list[Reply]:
        config, count = self._link.config, len(commands)
        if not self.is_ahead:
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

    async def _send(self, accepted: list[int], following: Exchange | None) -> None:
        end = await self._send_blocks()
        ended = None if self._wire.quiet else self._ended_early()
        if ended is None:
            await self.transaction.dot(accepted)
            ended = None if self._wire.quiet else self._ended_early()
        if ended is not None:
            self._settle([classify.refused(slot, ended) for slot in accepted])
            return
        ahead = following.send_ahead() if following is not None else b""
        self._link.enter("dot")
        self._dotted = True
        self._wire.send(end + b".\r\n" + ahead)
        await self._hear(accepted, following.owed if following is not None else 0)

    async def _hear(self, accepted: list[int], owed: int) -> None:
        """Settle by what is said to the dot; *owed* replies belong to another."""
        # LMTP: each verdict is settled as it comes, the next may take its time.
        wire, patience = self._wire, self._link.config.dot_timeout
        shares = [[slot] for slot in accepted] if self._link.lmtp else [accepted]
        for place, share in enumerate(shares):
            wire.owed = len(shares) - place + owed
            replies = await wire.take(1, patience)
            verdict, words = self._meaning(replies[0] if replies else None)
            self._settle(classify.alike(share, verdict, words))
            if owed:  # lost by these words: nothing came, or a 421
                self._passed_on = words is not wire.lost
                self._unheard = verdict is _IN_DOUBT
        wire.owed = owed

    def _meaning(self, reply: Reply | None) -> tuple[Verdict, Reply]:
        """Return what a reply to the dot means, or that none came."""
        if reply is not None and reply.code // 100 == 3:
            self._wire.misled(reply)
            reply = None
        return classify.after_dot(reply, self._wire.lost)

    async def _send_blocks(self) -> bytes:
        """Send all but the last block of the data; return that one."""
        pieces: list[bytes] = []
        size = 0
        for piece in stuffed(self.transaction.data()):
            if size and size + len(piece) > _BLOCK:
                if self._wire.phase != "body":
                    self._link.enter("body")
                self._wire.send(b"".join(pieces))
                pieces.clear()
                size = 0
                await self._wire.drain(self._link.config.block_timeout)
                if not self._wire.quiet:
                    break
            pieces.append(piece)
            size += len(piece)
        return b"".join(pieces)

    def _ended_early(self) -> Reply | None:
        """Return what ended the transaction while the dot has not left, if anything.

        A reply that comes before the dot cannot be the answer to it: a refusal is
        taken for what it says, anything else as out of step.
        """
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

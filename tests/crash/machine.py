"""The spool and its model, side by side, on a real disk.

Every rule performs shipped functions and the same step of ``model.Mail``; after
each step the bytes of every control file are compared with the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from tests.crash.driver import REPLIES, LedgerRecorder, NoPauses
from tests.crash.explore import Ledger
from tests.crash.model import Mail
from tests.crash.world import BODY, envelope
from tuiq.config import Config, RetryConfig, SpoolConfig
from tuiq.mail.outcome import Outcome, Verdict
from tuiq.spool import control
from tuiq.spool.answers import Target, Verb
from tuiq.spool.finish import claim_message, unlink_all
from tuiq.spool.layout import make_id, open_queue_directory, split_name
from tuiq.spool.operate import operate
from tuiq.spool.orphans import collect
from tuiq.spool.passes import End, Pass, Start
from tuiq.spool.site import Site
from tuiq.spool.submit import Draft, submit

START = 1_800_000_000.0
MAX_DEATHS = 4
"""One more and the message is left alone for a while: not part of the model."""


class HandClock:
    """A clock that only the machine moves."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> float:
        return self.time

    def now_ns(self) -> int:
        return int(self.time * 1e9)

    def boottime(self) -> float:
        return self.time


class SpoolMachine(RuleBasedStateMachine):
    """Operators, runners and crashes in any order."""

    def __init__(self, queue: Path) -> None:
        """Work in the empty queue directory *queue*."""
        super().__init__()
        self.queue = queue
        self.directory = open_queue_directory(queue)
        self.clock = HandClock()
        self.ledger = Ledger()
        self.mail: dict[str, Mail] = {}
        self.passes: dict[str, Pass] = {}
        self.serial = 0

        self.site = Site(
            config=Config(
                spool=SpoolConfig(queues=str(queue), trash_keep=20 * 86400.0),
                retry=RetryConfig(delay_notice=0.0, lifetime=24 * 86400.0),
            ),
            recorder=LedgerRecorder(self.ledger),
            pauses=NoPauses(),
            clock=self.clock,
        )

    @initialize(count=st.integers(1, 3))
    def start(self, count: int) -> None:
        self.submit_mail(count)

    def teardown(self) -> None:
        for visit in self.passes.values():
            visit.abandon()
        self.directory.close()
        for path in self.files():
            path.unlink()

    def files(self) -> list[Path]:
        """Return all files of messages."""
        return [path for path in self.queue.rglob("*") if split_name(path.name)]

    # -- choosing ------------------------------------------------------------------

    def some(self, number: int, *, open_: bool | None) -> str | None:
        """Return a message that is claimed (*open_*), free, or either (None)."""
        ids = [
            queue_id
            for queue_id in sorted(self.mail)
            if open_ is None or (queue_id in self.passes) == open_
        ]
        return ids[number % len(ids)] if ids else None

    # -- rules -----------------------------------------------------------------------

    @precondition(lambda self: len(self.mail) < 4)
    @rule(count=st.integers(1, 3))
    def submit(self, count: int) -> None:
        self.submit_mail(count)

    def submit_mail(self, count: int) -> None:
        """Queue a message with *count* recipients."""
        self.serial += 1
        birth = int(self.clock.time * 1e6) + 10 * self.serial
        addresses = [b"r%d@example.net" % n for n in range(count)]
        draft = Draft(
            envelope=envelope(*addresses),
            data=[BODY],
            birth_us=birth,
            # Random ids would make hypothesis see another spool at each replay.
            queue_id=make_id(birth, f"{self.serial:08}"),
        )
        self.mail[submit(self.directory, draft)] = Mail(["T"] * count)

    @precondition(lambda self: len(self.passes) < len(self.mail))
    @rule(number=st.integers(0, 9))
    def claim(self, number: int) -> None:
        queue_id = self.some(number, open_=False)
        if queue_id is None or self.mail[queue_id].opened > MAX_DEATHS:
            return
        mail = self.mail[queue_id]
        visit = Pass(claim_message(self.directory, queue_id), self.site)
        start = visit.start()
        mail.recover()
        mail.report()
        mail.apply()
        mail.conclude()
        assert (start is Start.FINISHED) == mail.gone
        if start is Start.FINISHED:
            self.finish(queue_id, visit)
        elif start is Start.READY:
            mail.opened += 1
            self.passes[queue_id] = visit
            assert visit.due, "nothing is due"
            for index in visit.due:
                assert mail.states[index] == "T"
                assert mail.requests[index] == mail.hold == "-"
        else:
            mail.opened = 0

    @precondition(lambda self: self.passes)
    @rule(number=st.integers(0, 9), which=st.sets(st.integers(0, 2), min_size=1))
    def begin(self, number: int, which: set[int]) -> None:
        queue_id = self.some(number, open_=True)
        if queue_id is None:
            return
        mail, visit = self.mail[queue_id], self.passes[queue_id]
        batch = [index for index in visit.due if index in which]
        wanted = {index for index, _ in visit.begin(batch)}
        visit.commit_failures()
        for index in batch:
            if mail.states[index] != "T":
                assert index not in wanted
                continue
            mail.back(index)
            held = mail.hold == "H" or mail.requests[index] == "H"
            if mail.states[index] == "T" and not held:
                mail.states[index] = "A"
            assert (index in wanted) == (mail.states[index] == "A")

    @precondition(lambda self: self.passes)
    @rule(
        number=st.integers(0, 9),
        verdicts=st.lists(st.sampled_from(Verdict), min_size=3, max_size=3),
    )
    def settle(self, number: int, verdicts: Sequence[Verdict]) -> None:
        queue_id = self.some(number, open_=True)
        if queue_id is None:
            return
        mail, visit = self.mail[queue_id], self.passes[queue_id]
        tried = [i for i, state in enumerate(mail.states) if state == "A"]
        dotted = [i for i in tried if verdicts[i] is not Verdict.UNTRIED]
        visit.dot(dotted)
        outcomes = [
            Outcome(
                index=i,
                verdict=verdicts[i],
                reply=REPLIES.get(verdicts[i], REPLIES[Verdict.DEFERRED]),
            )
            for i in tried
        ]
        visit.settle(outcomes)
        visit.commit_failures()
        opened = mail.opened
        for i in tried:
            self.judge(mail, i, verdicts[i])
        if set(mail.states) == {"D"}:  # over: nobody needs to know of its claims
            mail.opened = opened

    def judge(self, mail: Mail, index: int, verdict: Verdict) -> None:
        """Let the model hear a verdict."""
        if verdict in {Verdict.DEFERRED, Verdict.UNTRIED}:
            mail.back(index)
        else:
            states = {Verdict.DELIVERED: "D", Verdict.FAILED: "F"}
            mail.states[index] = states.get(verdict, "U")
        if verdict not in {Verdict.UNTRIED, Verdict.IN_DOUBT}:
            mail.opened = 0

    @precondition(lambda self: self.passes)
    @rule(number=st.integers(0, 9))
    def end(self, number: int) -> None:
        queue_id = self.some(number, open_=True)
        if queue_id is None or "A" in self.mail[queue_id].states:
            return
        mail, visit = self.mail[queue_id], self.passes.pop(queue_id)
        end = visit.end()
        mail.report()
        mail.apply()
        mail.conclude()
        mail.opened = 0
        assert (end is End.FINISHED) == mail.gone
        if mail.gone:
            self.finish(queue_id, visit)
        else:
            visit.claim.sync()
            visit.release()

    def finish(self, queue_id: str, visit: Pass) -> None:
        """Remove a finished message."""
        visit.claim.sync()
        unlink_all(visit.claim)
        visit.claim.close()

    @precondition(lambda self: self.passes)
    @rule(number=st.integers(0, 9))
    def crash(self, number: int) -> None:
        queue_id = self.some(number, open_=True)
        if queue_id is not None:
            self.passes.pop(queue_id).abandon()

    @rule(
        number=st.integers(0, 9),
        verb=st.sampled_from(Verb),
        which=st.none() | st.sets(st.integers(0, 2), min_size=1),
    )
    def operate(self, number: int, verb: Verb, which: set[int] | None) -> None:
        self.act(self.some(number, open_=None), verb, which)

    @precondition(lambda self: self.passes)
    @rule(
        number=st.integers(0, 9),
        verb=st.sampled_from([Verb.DELETE, Verb.BOUNCE, Verb.HOLD, Verb.PURGE]),
        which=st.none() | st.sets(st.integers(0, 2), min_size=1),
    )
    def ask_holder(self, number: int, verb: Verb, which: set[int] | None) -> None:
        self.act(self.some(number, open_=True), verb, which)

    def act(self, queue_id: str | None, verb: Verb, which: set[int] | None) -> None:
        """Perform a verb on a message, or on some of its recipients."""
        if queue_id is None:
            return
        mail = self.mail[queue_id]
        whole = which is None
        chosen = [i for i in range(len(mail.states)) if whole or i in (which or ())]
        if not chosen or (verb is Verb.PURGE and not whole):
            return
        target = Target(queue_id=queue_id, recipients=None if whole else tuple(chosen))
        (answer,) = operate(lambda _: self.directory, self.site, verb, [target])
        do = mail.ask if queue_id in self.passes else mail.act
        assert answer.result == do(verb, chosen, whole=whole), answer.text

    @rule(minutes=st.sampled_from([1, 20, 600]))
    def wait(self, minutes: int) -> None:
        self.clock.time += 60 * minutes

    @rule()
    def collect(self) -> None:
        collect(self.directory, now=self.clock.time, age=0.0)

    # -- what must hold ----------------------------------------------------------------

    @invariant()
    def the_disk_is_as_the_model_says(self) -> None:
        self.adopt_notices()
        for queue_id, mail in list(self.mail.items()):
            if mail.gone:
                del self.mail[queue_id]
                self.passes.pop(queue_id, None)
        assert set(self.directory.ids()) == set(self.mail)
        for queue_id, mail in self.mail.items():
            self.compare(queue_id, mail)
        names = {path.name for path in self.files()}
        assert {name[2:] for name in names} == set(self.mail)
        assert not [name for name in names if name.startswith("tf")]

    def adopt_notices(self) -> None:
        """Take the notices that were sent since into the model."""
        new = [
            queue_id for queue_id in self.directory.ids() if queue_id not in self.mail
        ]
        assert len(new) == sum(mail.notices for mail in self.mail.values())
        for mail in self.mail.values():
            mail.notices = 0
        for queue_id in new:
            self.mail[queue_id] = Mail(["T"], sender=False)

    def compare(self, queue_id: str, mail: Mail) -> None:
        """Compare the bytes of one control file with the model."""
        name = "qf" + queue_id
        raw = next(self.queue.rglob(name)).read_bytes()
        header = control.decode_header(raw, name)
        control.check_body(header, raw, name)
        found = (
            control.column_of(header.count, raw, control.S_STATE).decode(),
            control.column_of(header.count, raw, control.S_REQUEST).decode(),
            raw[control.MSTATE : control.MREQ + 1].decode(),
            raw[control.OPENED] - ord("0"),
        )
        assert found == (
            "".join(mail.states),
            "".join(mail.requests),
            "Q" + mail.hold + mail.request,
            mail.opened,
        ), queue_id
        data = next(self.queue.rglob("df" + queue_id))
        assert data.stat().st_size == header.data_length

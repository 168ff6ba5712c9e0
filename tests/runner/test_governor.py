"""The governor: who may connect, by a clock of numbers and workers of lists."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tuiq.config.routes import Rate
from tuiq.mail.reply import Reply
from tuiq.runner import governor, memory
from tuiq.runner.allowance import PATIENCE
from tuiq.runner.governor import Governor
from tuiq.runner.leases import (
    Answered,
    Ask,
    AskTurn,
    Ended,
    Failed,
    Grant,
    Recall,
    Standing,
    Terms,
    Turn,
)
from tuiq.runner.limits import MAX_GAP

if TYPE_CHECKING:
    from tuiq.runner.governor import Letter
    from tuiq.runner.leases import Said, Told
    from tuiq.spool.status import DestinationStatus

TERMS = Terms(name="there", start=5, ceiling=20, rate=None, rest=300.0)
REFUSED = Reply(code=421, enhanced=b"4.4.1", text=b"connection refused")
LATER = Reply(code=451, enhanced=b"4.7.1", text=b"greylisted \x1b[31m")
FOREVER = float("inf")


@dataclass
class Office:
    """A governor, the workers that it writes to, and the time."""

    terms: Terms = TERMS
    now: float = 1000.0
    told: list[Letter] = field(default_factory=list)
    changes: list[tuple[str, Reply | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.governor = Governor(lambda name, reply: self.changes.append((name, reply)))

    def say(self, worker: int, said: Said) -> list[Letter]:
        letters = self.governor.hear(worker, said, self.now)
        self.told += letters
        return letters

    def ask(self, worker: int, wanted: int, ident: str = "a") -> list[Letter]:
        ask = Ask(ident=ident, terms=self.terms, wanted=wanted, waiting=wanted)
        return self.say(worker, ask)

    def end(self, worker: int) -> list[Letter]:
        return self.say(worker, Ended(ident="a"))

    def fail(
        self, worker: int, *, lost: bool = False, served: bool = False
    ) -> list[Letter]:
        """Let a connection fail and go."""
        failed = Failed(ident="a", reply=REFUSED, lost=lost, served=served)
        return self.say(worker, failed) + self.end(worker)

    def answer(self, worker: int, *, settled: int = 0, put_off: int = 0) -> None:
        reply = LATER if put_off else None
        self.say(
            worker, Answered(ident="a", settled=settled, put_off=put_off, reply=reply)
        )

    def wait(self) -> list[Letter]:
        """Let time pass until the governor has something to say."""
        self.now = self.governor.next_time()
        assert self.now < FOREVER, "it will never have anything to say"
        letters = self.governor.poll(self.now)
        self.told += letters
        return letters

    @property
    def status(self) -> DestinationStatus:
        (status,) = self.governor.statuses(self.now)
        return status

    def leases(self) -> Counter[int]:
        """Return who has how many connections."""
        (allowance,) = self.governor._allowances.values()
        return allowance.leases


def kinds(letters: list[Letter], kind: type[Told]) -> list[int]:
    """Return who got letters of a *kind*."""
    return [worker for worker, told in letters if isinstance(told, kind)]


@pytest.fixture
def office() -> Office:
    return Office()


# -- windows -------------------------------------------------------------------


def test_connections_begin_at_the_start_and_grow_to_the_ceiling(office: Office) -> None:
    assert len(kinds(office.ask(1, 30), Grant)) == 5
    seen = [office.status.connections]
    for _ in range(300):
        office.answer(1, settled=1)
        seen.append(office.status.connections)
    assert sorted(set(seen)) == list(range(5, 21))
    assert office.status.limit == office.status.ceiling == 20


def test_a_window_that_is_not_used_up_does_not_grow(office: Office) -> None:
    office.ask(1, 3)
    for _ in range(300):
        office.answer(1, settled=1)
    assert (office.status.limit, office.status.connections) == (5, 3)


def test_a_storm_closes_the_window_ends_connections_and_spaces_transactions(
    office: Office,
) -> None:
    office.ask(1, 30)
    heard = 0
    for _ in range(100):
        new, heard = office.told[heard:], len(office.told)
        for worker in kinds(new, Recall):
            office.end(worker)
        office.answer(1, put_off=1)
    assert office.leases() == {1: 1}
    assert office.status.state == "slow"
    assert office.status.limit == 1
    assert r"451 4.7.1 greylisted \x1b[31m" in office.status.reason
    assert "one every 1 s" in office.status.reason
    assert Standing(ident="a", dead_until=0, failure=None, paced=True) in [
        told for _, told in office.told
    ]
    office.say(1, AskTurn(ident="a"))
    before = office.now
    office.say(1, AskTurn(ident="a"))
    assert kinds(office.wait(), Turn) == [1]
    assert office.now - before == MAX_GAP


def test_good_answers_take_a_storm_back(office: Office) -> None:
    office.ask(1, 30)
    for _ in range(100):
        office.answer(1, put_off=1)
    office.told.clear()
    for _ in range(300):
        office.answer(1, settled=1)
    assert Standing(ident="a", dead_until=0, failure=None, paced=False) in [
        told for _, told in office.told
    ]
    assert (office.status.state, office.status.limit) == ("ok", 20)


def test_transactions_that_wait_for_turns_go_on_when_the_storm_is_over(
    office: Office,
) -> None:
    office.ask(1, 30)
    for _ in range(100):
        office.answer(1, put_off=1)
    for _ in range(3):
        office.say(1, AskTurn(ident="a"))
    office.answer(1, settled=500)
    assert kinds(office.told, Turn) == [1, 1, 1]


def test_a_refused_connection_beside_others_caps_them_for_a_while(
    office: Office,
) -> None:
    office.ask(1, 30)
    office.fail(1)
    assert (office.status.state, office.status.limit) == ("slow", 4)
    assert "421 4.4.1 connection refused" in office.status.reason
    for _ in range(100):
        office.answer(1, settled=1)
    assert office.leases() == {1: 4}
    assert "connection refused" in office.status.reason
    assert kinds(office.end(1), Grant) == [1], "what ended was not replaced"
    office.now += TERMS.rest
    for _ in range(200):
        office.answer(1, settled=1)
    assert (office.status.state, office.status.connections) == ("ok", 20)


def test_a_cap_is_told_once_and_is_no_outage(office: Office) -> None:
    office.ask(1, 30)
    office.fail(1)
    office.answer(1, settled=1)
    office.fail(1)
    assert office.changes == [("there", REFUSED)]


def test_served_sessions_that_end_weigh_little(office: Office) -> None:
    office.ask(1, 30)
    for _ in range(300):
        office.answer(1, settled=100)
        office.fail(1, lost=True, served=True)
        office.ask(1, 30)
    assert office.status.limit >= 19
    assert (office.status.state, office.changes) == ("ok", [])


# -- destinations that cannot be used --------------------------------------------


def die(office: Office) -> list[Letter]:
    """Let every connection of worker 1 fail; return what was told at the last."""
    letters: list[Letter] = []
    while office.leases():
        letters = office.fail(1)
    return letters


def test_a_destination_that_refuses_all_is_dead_and_all_hear_of_it(
    office: Office,
) -> None:
    office.ask(2, 0)
    office.ask(1, 5)
    letters = die(office)
    news = Standing(
        ident="a", dead_until=1300.0, failure=REFUSED, paced=False, is_news=True
    )
    assert letters == [(2, news), (1, news)]
    assert office.changes == [("there", REFUSED)]
    status = office.status
    assert (status.state, status.until, status.limit) == ("dead", 1300.0, 1)


def test_nobody_connects_to_the_dead_and_then_one_probes(office: Office) -> None:
    office.ask(1, 1)
    die(office)
    assert kinds(office.ask(1, 5) + office.ask(2, 5), Grant) == []
    assert len(kinds(office.wait(), Grant)) == 1
    assert office.now == 1300.0
    assert office.governor.next_time() == FOREVER, "woken while the probe is out"
    assert kinds(office.ask(3, 5), Grant) == []


def test_a_probe_that_fails_leaves_it_alone_again(office: Office) -> None:
    office.ask(1, 1)
    die(office)
    office.ask(1, 5)
    office.wait()
    office.fail(1)
    assert office.status.until == 1600.0
    assert office.changes == [("there", REFUSED)]


def test_a_probe_that_is_answered_lets_all_others_in(office: Office) -> None:
    office.ask(1, 1)
    die(office)
    office.ask(1, 2)
    office.ask(2, 2)
    office.wait()
    office.told.clear()
    office.answer(1, settled=1)
    assert office.leases() == {1: 2, 2: 2}
    assert set(kinds(office.told, Standing)) == {1, 2}
    assert office.changes[-1] == ("there", None)
    assert office.status.state == "ok"


def test_a_probe_that_ends_without_an_answer_is_followed_by_another(
    office: Office,
) -> None:
    office.ask(1, 1)
    die(office)
    office.ask(1, 5)
    office.wait()
    assert kinds(office.end(1), Grant) == [1]


def test_one_lost_session_is_an_accident_and_two_in_a_row_are_not(
    office: Office,
) -> None:
    office.ask(1, 1)
    office.fail(1, lost=True)
    assert office.status.state == "ok"
    office.ask(1, 1)
    office.answer(1, settled=1)
    office.fail(1, lost=True)
    assert office.status.state == "ok"
    office.ask(1, 1)
    office.fail(1, lost=True)
    assert office.status.state == "dead"


def test_trying_again_forgives_the_dead_the_capped_and_the_stormy(
    office: Office,
) -> None:
    office.ask(1, 1)
    die(office)
    office.ask(1, 3)
    letters = office.governor.try_again(office.now)
    assert kinds(letters, Grant) == [1], "one probe comes first"
    office.answer(1, settled=1)
    office.fail(1)
    assert office.status.state == "slow"
    office.governor.try_again(office.now)
    assert office.status.state == "ok"
    for _ in range(100):
        office.answer(1, put_off=1)
    office.governor.try_again(office.now)
    assert (office.status.state, office.status.limit) == ("ok", 5)


# -- paces -----------------------------------------------------------------------


def test_a_rate_holds_for_all_workers_together() -> None:
    office = Office(replace(TERMS, rate=Rate(count=2, seconds=1)))
    assert office.ask(1, 2)[0][1] == Standing(
        ident="a", dead_until=0, failure=None, paced=True
    )
    office.ask(2, 2)
    turns = []
    for worker in itertools.islice(itertools.cycle((1, 2)), 24):
        turns += kinds(office.say(worker, AskTurn(ident="a")), Turn)
    began = office.now
    while len(turns) < 24:
        turns += kinds(office.wait(), Turn)
    assert office.now - began == pytest.approx((24 - 2) / 2, abs=0.51)
    assert turns == [1, 2] * 12


def test_no_connection_is_made_before_a_transaction_could_begin() -> None:
    office = Office(replace(TERMS, rate=Rate(count=6, seconds=3600)))
    office.ask(1, 1)
    office.say(1, AskTurn(ident="a"))
    office.end(1)
    assert kinds(office.ask(1, 1), Grant) == []
    assert kinds(office.wait(), Grant) == [1]
    assert office.now == 1600.0


def test_a_new_rate_is_told_and_kept_at_once(office: Office) -> None:
    office.ask(1, 2)
    office.ask(2, 2)
    office.terms = replace(TERMS, rate=Rate(count=1, seconds=60))
    letters = office.ask(1, 0)
    paced = Standing(ident="a", dead_until=0, failure=None, paced=True)
    assert letters == [(1, paced), (2, paced)]
    office.say(1, AskTurn(ident="a"))
    assert kinds(office.say(2, AskTurn(ident="a")), Turn) == []
    office.terms = TERMS
    assert kinds(office.ask(1, 0), Turn) == [2]


def test_a_lower_ceiling_ends_what_is_too_much_at_once(office: Office) -> None:
    office.ask(1, 5)
    office.terms = replace(TERMS, ceiling=2)
    assert kinds(office.ask(1, 0), Recall) == [1] * 3
    for _ in range(3):
        assert office.end(1) == []
    assert office.leases() == {1: 2}


# -- sharing ---------------------------------------------------------------------


def test_whoever_has_fewest_gets_the_next() -> None:
    office = Office(replace(TERMS, start=9, ceiling=9))
    office.ask(1, 5)
    office.ask(2, 2)
    office.ask(3, 9)
    assert office.leases() == {1: 5, 2: 2, 3: 2}
    office.ask(3, 0)
    office.ask(1, 1)
    office.ask(2, 1)
    assert kinds(office.end(1), Grant) == [2]


def test_a_worker_without_any_gets_half_of_anothers_at_once(office: Office) -> None:
    office.ask(1, 10)
    assert kinds(office.ask(2, 10), Recall) == [1] * 2
    for _ in range(2):
        letters = office.end(1)
        assert kinds(letters, Grant) == [2]
        assert kinds(letters, Recall) == []
    assert office.leases() == {1: 3, 2: 2}


def test_a_worker_gets_no_more_of_anothers_than_it_wishes_for() -> None:
    office = Office(replace(TERMS, start=20, ceiling=20))
    office.ask(1, 30)
    assert kinds(office.ask(2, 3), Recall) == [1] * 3
    assert kinds(office.ask(3, 4), Recall) == [1] * 4
    for _ in range(7):
        office.end(1)
    assert office.leases() == {1: 13, 2: 3, 3: 4}
    assert office.governor.next_time() == FOREVER


def test_a_connection_that_ends_by_itself_honours_a_recall(office: Office) -> None:
    office.ask(1, 10)
    assert kinds(office.ask(2, 1), Recall) == [1]
    assert kinds(office.ask(2, 1), Recall) == [], "recalled twice for one wish"
    assert kinds(office.end(1), Grant) == [2]
    assert office.governor.next_time() == FOREVER


def test_with_fewer_connections_than_workers_they_take_turns() -> None:
    office = Office(replace(TERMS, start=1, ceiling=1))
    for worker in (1, 2, 3):
        office.ask(worker, 2)
    served = []
    for _ in range(9):
        (holder,) = office.leases()
        served.append(holder)
        before = office.now
        assert kinds(office.wait(), Recall) == [holder]
        assert office.now - before == PATIENCE
        assert office.governor.next_time() == FOREVER, "woken during a recall"
        office.end(holder)
        office.ask(holder, 2)
    assert served == [1, 2, 3] * 3


def test_a_dead_worker_gives_back_connections_turns_and_wishes() -> None:
    office = Office(replace(TERMS, rate=Rate(count=1, seconds=60)))
    office.ask(1, 10)
    office.ask(2, 10)
    office.say(1, AskTurn(ident="a"))
    office.say(1, AskTurn(ident="a"))
    office.say(2, AskTurn(ident="a"))
    letters = office.governor.forget_worker(1, office.now)
    assert office.leases().keys() <= {2}
    assert kinds(letters, Recall) == []
    assert kinds(office.wait(), Turn) == [2]
    assert office.status.waiting == 10


def test_a_recall_dies_with_its_worker(office: Office) -> None:
    office.ask(1, 10)
    assert kinds(office.ask(2, 10), Recall) == [1] * 2
    letters = office.governor.forget_worker(1, office.now)
    assert kinds(letters, Grant) == [2] * 5
    assert kinds(office.ask(3, 1), Recall) == [2]


# -- memory ----------------------------------------------------------------------


def test_destinations_of_which_nothing_is_known_are_forgotten(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "MANY", 10)
    office = Office()
    office.ask(1, 1, "busy")
    for number in range(200):
        office.ask(1, 0, f"idle{number}")
    assert len(office.governor._allowances) <= 20
    (status,) = office.governor.statuses(office.now)
    assert status.connections == 1
    assert office.governor._allowances["busy"].connections == 1


def test_the_dead_and_the_paced_are_not_forgotten_before_their_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "MANY", 1)
    office = Office(replace(TERMS, rate=Rate(count=1, seconds=600)))
    office.ask(1, 1)
    office.say(1, AskTurn(ident="a"))
    office.fail(1)
    office.ask(1, 0)
    office.ask(1, 0, "b")
    assert "a" in office.governor._allowances
    office.now += 600
    office.governor._allowances._room = 1
    office.ask(1, 0, "c")
    assert "a" not in office.governor._allowances


def test_of_very_many_destinations_those_with_most_mail_are_told(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(governor, "MOST_TOLD", 3)
    for number in range(10):
        office.terms = replace(TERMS, name=f"there{number}")
        office.ask(1, (7 * number) % 10, f"{number}")
    told = office.governor.statuses(office.now)
    assert [status.name for status in told] == ["there1", "there4", "there7"]
    assert sorted(status.waiting for status in told) == [7, 8, 9]


def test_a_worker_that_knows_nothing_any_more_is_told_again(office: Office) -> None:
    office.ask(1, 1)
    die(office)
    assert office.ask(1, 1) == []
    ask = Ask(ident="a", terms=TERMS, wanted=1, waiting=1, is_first=True)
    ((worker, standing),) = office.say(1, ask)
    assert worker == 1
    assert isinstance(standing, Standing)
    assert standing.dead_until == 1300.0
    assert not standing.is_news


@pytest.mark.parametrize(
    "said",
    [
        AskTurn(ident="x"),
        Ended(ident="x"),
        Failed(ident="x", reply=REFUSED),
        Answered(ident="x", settled=1, put_off=0, reply=None),
    ],
)
def test_what_is_said_of_an_unknown_destination_does_nothing(
    office: Office, said: Said
) -> None:
    assert office.say(1, said) == []
    assert office.governor.statuses(office.now) == ()


# -- everything at once ------------------------------------------------------------


@dataclass
class Clerk:
    """A worker that keeps to the rules: what it has, and what it wants."""

    wants: int = 0
    has: int = 0
    recalled: int = 0
    turns: int = 0


class Business(RuleBasedStateMachine):
    """Workers that ask, fail, die and are served, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.office = Office(Terms(name="x", start=2, ceiling=4, rate=None, rest=10.0))
        self.clerks = {number: Clerk() for number in (1, 2, 3)}

    def hear(self, letters: list[Letter]) -> None:
        for number, told in letters:
            clerk = self.clerks[number]
            if isinstance(told, Grant):
                clerk.has += 1
                clerk.wants -= 1
                assert clerk.wants >= 0, "more than was wished for"
                assert self.total <= self.window, "more than the window"
            elif isinstance(told, Turn):
                clerk.turns -= 1
                assert clerk.turns >= 0, "a turn that nobody asked for"
            elif isinstance(told, Recall):
                clerk.recalled += 1
                assert clerk.recalled <= clerk.has, "a recall of nothing"

    @property
    def total(self) -> int:
        return sum(clerk.has for clerk in self.clerks.values())

    @property
    def window(self) -> int:
        allowances = self.office.governor._allowances.values()
        return max((a.window.size for a in allowances), default=0)

    def busy(self) -> list[int]:
        return [number for number, clerk in self.clerks.items() if clerk.has]

    def end(self, number: int) -> None:
        clerk = self.clerks[number]
        clerk.has -= 1
        clerk.recalled = max(0, clerk.recalled - 1)
        self.hear(self.office.end(number))

    @rule(number=st.integers(1, 3), wanted=st.integers(0, 6))
    def ask(self, number: int, wanted: int) -> None:
        self.clerks[number].wants = wanted
        self.hear(self.office.ask(number, wanted))

    @rule(number=st.integers(1, 3))
    def ask_turn(self, number: int) -> None:
        clerk = self.clerks[number]
        if clerk.has and clerk.turns < 2:
            clerk.turns += 1
            self.hear(self.office.say(number, AskTurn(ident="a")))

    @precondition(lambda self: self.busy())
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        self.end(data.draw(st.sampled_from(self.busy())))

    @precondition(lambda self: self.busy())
    @rule(data=st.data(), lost=st.booleans(), served=st.booleans())
    def fail(self, data: st.DataObject, lost: bool, served: bool) -> None:
        number = data.draw(st.sampled_from(self.busy()))
        failed = Failed(ident="a", reply=REFUSED, lost=lost, served=served)
        self.hear(self.office.say(number, failed))
        self.end(number)

    @precondition(lambda self: self.busy())
    @rule(data=st.data(), settled=st.integers(0, 9), put_off=st.integers(0, 9))
    def answer(self, data: st.DataObject, settled: int, put_off: int) -> None:
        number = data.draw(st.sampled_from(self.busy()))
        said = Answered(ident="a", settled=settled, put_off=put_off, reply=LATER)
        self.hear(self.office.say(number, said))

    @rule(number=st.integers(1, 3))
    def die(self, number: int) -> None:
        self.clerks[number] = Clerk()
        office = self.office
        self.hear(office.governor.forget_worker(number, office.now))

    @rule(ceiling=st.integers(1, 6), rate=st.sampled_from([None, 1, 100]))
    def reconfigure(self, ceiling: int, rate: int | None) -> None:
        pace = Rate(count=rate, seconds=1) if rate else None
        self.office.terms = replace(self.office.terms, ceiling=ceiling, rate=pace)

    @rule()
    def try_again(self) -> None:
        self.hear(self.office.governor.try_again(self.office.now))

    @precondition(lambda self: self.office.governor.next_time() < FOREVER)
    @rule()
    def wait(self) -> None:
        self.hear(self.office.wait())

    @invariant()
    def the_books_agree(self) -> None:
        for allowance in self.office.governor._allowances.values():
            assert allowance.leases == Counter(
                {n: clerk.has for n, clerk in self.clerks.items() if clerk.has}
            )
            assert all(count > 0 for count in allowance.leases.values())
            assert allowance.recalled == Counter(
                {n: c.recalled for n, c in self.clerks.items() if c.recalled}
            )
            assert all(count > 0 for count in allowance.recalled.values())
            assert allowance.wishes.keys() == allowance.since.keys()
            assert 1 <= allowance.window.size <= allowance.window.ceiling

    @invariant()
    def nothing_is_said_late(self) -> None:
        assert self.office.governor.next_time() > self.office.now

    def teardown(self) -> None:
        """Nobody waits for ever: let the business go on well, until all had some."""
        starving = {
            n for n, clerk in self.clerks.items() if clerk.wants and not clerk.has
        }
        for _ in range(500):
            starving -= set(self.busy())
            if not starving:
                return
            leaving = [n for n, clerk in self.clerks.items() if clerk.recalled]
            if leaving:
                self.end(leaving[0])
            elif self.office.governor.next_time() < FOREVER:
                self.wait()
            else:
                assert self.busy(), "somebody waits for nothing"
                said = Answered(ident="a", settled=1, put_off=0, reply=None)
                self.hear(self.office.say(self.busy()[0], said))
        pytest.fail(f"{starving} waited for ever")


TestBusiness = Business.TestCase
TestBusiness.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None
)

"""The operator commands end to end: arguments, questions, reports, exit statuses."""

from __future__ import annotations

import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.spool.world import needs_open_python
from tuiq.cli.diagnostics import guarded
from tuiq.cli.main import dispatch
from tuiq.cli.operate import stop_on_interrupt
from tuiq.config import Config, SpoolConfig
from tuiq.mail.envelope import Envelope, Recipient
from tuiq.spool import Spool
from tuiq.spool.entry import State
from tuiq.spool.finish import claim_message
from tuiq.spool.flags import RState
from tuiq.spool.setup import Owner, create_spool

OK, USAGE, NOINPUT, TEMPFAIL = 0, 64, 66, 75
DEADLINE = 20.0


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Spool]:
    path = tmp_path / "spool"
    create_spool(path, queues=2)
    file = path / "tuiq.toml"
    file.write_text(f'[spool]\nqueues = "{path}/q.*"\n')
    monkeypatch.setenv("TUIQ_CONFIG", str(file))
    with Spool(Config(spool=SpoolConfig(queues=f"{path}/q.*"))) as opened:
        yield opened


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs tuiq: (exit status, stdout, stderr)."""

    def runs(*arguments: str) -> tuple[int, str, str]:
        status = guarded(lambda: dispatch(list(arguments)))
        output = capsys.readouterr()
        return status, output.out, output.err

    return runs


Run = Callable[..., tuple[int, str, str]]


def submit(spool: Spool, *addresses: bytes, subject: bytes = b"hello") -> str:
    recipients = tuple(Recipient(address=a) for a in addresses or (b"bob@b.example",))
    envelope = Envelope(sender=b"alice@a.example", recipients=recipients)
    return spool.submit(envelope, [b"Subject: " + subject + b"\r\n\r\nbody\r\n"])


def state(spool: Spool, queue_id: str) -> State:
    return spool.entry(queue_id).state()


def test_delete_and_undo_by_id(spool: Spool, run: Run) -> None:
    queue_id = submit(spool)

    status, out, _ = run("delete", queue_id)

    assert status == OK
    assert out.startswith("deleted 1 message\ntake it back with: tuiq undo ")
    assert state(spool, queue_id) is State.TRASHED

    assert run("undo", out.split()[-1])[:2] == (
        OK,
        "restored 1 message\n" + f"written down as action {newest(spool)}\n",
    )
    assert state(spool, queue_id) is State.DUE


def newest(spool: Spool) -> str:
    return max(os.listdir(spool.path / "audit")).removesuffix(".jsonl")


def test_undo_by_id_needs_no_action(spool: Spool, run: Run) -> None:
    queue_id = submit(spool)
    run("delete", queue_id)

    assert run("undo", queue_id)[0] == OK

    assert state(spool, queue_id) is State.DUE


def test_undo_alone_lists_what_can_be_taken_back(spool: Spool, run: Run) -> None:
    assert "no action" in run("undo")[1]
    run("delete", submit(spool))
    deleted = newest(spool)
    run("flush", submit(spool))

    out = run("undo")[1]

    assert out.startswith(deleted)
    assert "delete 1 id" in out
    assert "flush" not in out


@pytest.mark.parametrize(
    ("verb", "states", "past"),
    [
        ("hold", b"TT", "held"),
        ("flush", b"TT", "flush requested for"),
        ("requeue", b"TT", "requeued"),
        ("delete", b"XX", "deleted"),
        ("delivered", b"XX", "marked delivered"),
        ("bounce", b"BB", "bounced"),
    ],
)
def test_each_verb_does_what_it_says(
    spool: Spool, run: Run, verb: str, states: bytes, past: str
) -> None:
    queue_id = submit(spool, b"a@x.example", b"b@y.example")

    status, out, err = run(verb, queue_id)

    assert (status, err) == (OK, "")
    assert out.startswith(f"{past} 1 message\n")
    after = [entry for entry in spool.entries() if entry.queue_id == queue_id]
    assert [entry.states for entry in after] in ([states], [])
    assert [entry.is_held for entry in after] in ([verb == "hold"], [])
    assert [entry.flush_pending for entry in after] in ([verb == "flush"], [])


def test_release_ends_a_hold_and_purge_ends_a_message(spool: Spool, run: Run) -> None:
    queue_id = submit(spool)
    run("hold", queue_id)
    assert run("release", queue_id)[0] == OK
    assert state(spool, queue_id) is State.DUE

    assert run("purge", queue_id)[0] == OK
    assert list(spool.entries()) == []


def test_one_recipient_is_named_by_number_or_address(spool: Spool, run: Run) -> None:
    queue_id = submit(spool, b"a@x.example", b"b@y.example", b"c@z.example")

    assert run("delete", f"{queue_id}/2")[0] == OK
    assert run("delivered", f"{queue_id}:c@z.example")[0] == OK

    entry = spool.entry(queue_id)
    assert entry.states == b"TXX"
    assert [view.code for view in entry.recipients()] == [b"", b"", b"250"]


def test_ids_come_from_stdin_as_listings_print_them(
    spool: Spool, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [submit(spool) for _ in range(4)]
    listing = f"{ids[0]}*\n\n  {ids[1]}X   26 Sun Nov 22\n{ids[2]}\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO(listing))

    assert run("hold", "-")[0] == OK

    assert [spool.entry(queue_id).is_held for queue_id in ids] == [True] * 3 + [False]


def test_a_filter_acts_on_what_it_selects(spool: Spool, run: Run) -> None:
    one = submit(spool, b"a@x.example", subject=b"=?utf-8?q?Gr=C3=BC=C3=9Fe?=")
    two = submit(spool, b"b@y.example")

    assert run("hold", "--filter", "subject:grüße", "--yes")[0] == OK
    assert [spool.entry(i).is_held for i in (one, two)] == [True, False]

    status, out, _ = run("release", "--filter", "dom:*.example !is:held", "--yes")
    assert status == TEMPFAIL
    assert "not held" in out


def test_matching_recipients_leave_the_others_alone(spool: Spool, run: Run) -> None:
    queue_id = submit(spool, b"a@x.example", b"b@y.example")
    arguments = ["--filter", "dom:y.example", "--matching-recipients", "--yes"]

    assert run("delete", *arguments)[0] == OK

    assert spool.entry(queue_id).states == b"TX"


def test_all_means_every_message_and_spares_the_trash(spool: Spool, run: Run) -> None:
    ids = [submit(spool) for _ in range(3)]
    run("delete", ids[0])

    status, out, _ = run("hold", "ALL", "--yes")

    assert status == OK
    assert out.startswith("held 2 messages\n")
    assert state(spool, ids[0]) is State.TRASHED


def test_dry_run_shows_the_set_and_changes_nothing(spool: Spool, run: Run) -> None:
    queue_id = submit(spool, b"a@x.example", b"b@y.example")

    status, out, _ = run("bounce", "--filter", "from:alice", "--dry-run")

    assert status == OK
    assert "1 message, 24 bytes, 2 recipients" in out
    assert "x.example 1, y.example 1" in out
    assert queue_id in out
    assert spool.entry(queue_id).states == b"TT"
    assert os.listdir(spool.path / "audit") == []

    described = json.loads(run("bounce", "ALL", "--dry-run", "--json")[1])
    assert described["ids"] == [queue_id]
    assert described["domains"] == {"x.example": 1, "y.example": 1}
    assert described["recipients"] == 2


def test_json_has_a_line_per_answer_and_a_sum(spool: Spool, run: Run) -> None:
    queue_id = submit(spool, b"a@x.example", b"b@y.example")

    status, out, _ = run("delete", f"{queue_id}/2", "Z" * 19, "--json")

    assert status == OK
    lines = [json.loads(line) for line in out.splitlines()]
    found = {line["id"]: line for line in lines[:-1]}
    assert found[queue_id]["result"] == "acted"
    assert found[queue_id]["recipients"] == found[queue_id]["changed"] == [2]
    assert found["Z" * 19]["result"] == "gone since"
    assert lines[-1] == {
        "action": newest(spool),
        "verb": "delete",
        "acted": 1,
        "gone": 1,
        "in_flight": 0,
        "refused": 0,
        "not_touched": 0,
    }


def test_what_is_in_flight_or_refused_is_told_with_75(spool: Spool, run: Run) -> None:
    flying, settled, fine = submit(spool), submit(spool), submit(spool)
    run("delivered", settled)
    directory = spool.find(flying)
    assert directory is not None
    claim = claim_message(directory, flying)
    claim.mark([0], RState.ATTEMPT)
    try:
        status, out, _ = run("delete", flying, settled, fine)
    finally:
        claim.close()

    assert status == TEMPFAIL
    assert out.startswith("deleted 1 message, 1 in flight, 1 refused\n")
    assert f"{flying}: in flight: cancelled if it defers" in out
    assert settled in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["hold"], "of what?"),
        (["hold", "all"], "upper case"),
        (["hold", "ALL", "X" * 19], "stands alone"),
        (["hold", "ALL"], "say --yes"),
        (["hold", "--filter", "from:a"], "say --yes"),
        (["hold", "--filter", "form:a"], "did you mean from?"),
        (["hold", "--filter", "  ", "--yes"], "--filter is empty"),
        (["hold", "--filter", "x", "X" * 19], "not both"),
        (["hold", "--matching-recipients", "ALL"], "belongs to --filter"),
        (["hold", "nonsense!"], "no queue id"),
        (["hold", "ID/0"], "numbered from 1"),
        (["undo", "20260101-000000-aaaaaa"], "no such action"),
        (["undo", "20260101-000000-aaaaaa", "X" * 19], "not both"),
        (["pause", "queue", "q.7"], "no such queue directory"),
        (["pause", "--for", "soon"], "no duration"),
        (["pause", "--for", "0s"], "lasts longer"),
        (["resume"], "is not paused"),
    ],
)
def test_what_cannot_be_meant_is_64_and_changes_nothing(
    spool: Spool, run: Run, arguments: list[str], says: str
) -> None:
    queue_id = submit(spool)

    status, out, err = run(*arguments)

    assert (status, out) == (USAGE, "")
    assert says in err
    assert state(spool, queue_id) is State.DUE
    assert os.listdir(spool.path / "audit") == []


def test_a_wrong_filter_is_shown_with_a_caret(spool: Spool, run: Run) -> None:
    err = run("hold", "--filter", "age>2h state:do")[2]

    assert err.startswith("age>2h state:do\n             ^\ntuiq: filter: ")


def test_pause_and_resume(spool: Spool, run: Run) -> None:
    reason = ["--for", "30m", "--reason", "they asked"]

    status, out, _ = run("pause", "destination", "B.example", *reason)

    assert status == OK
    assert out.startswith("paused destination b.example until ")
    (pause,) = spool.pauses.current().pauses
    assert pause.reason == "they asked"
    assert abs(pause.until - time.time() - 1800) < 60

    assert run("resume", "destination", "b.example")[0] == OK
    assert spool.pauses.current().pauses == ()


class Terminal:
    """A tuiq under a terminal of its own."""

    def __init__(self, *arguments: str) -> None:
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tuiq", *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self.seen = ""

    def wait_for(self, text: str) -> None:
        """Read until *text* has come."""
        deadline = time.monotonic() + DEADLINE
        while text not in self.seen:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self.master], [], [], max(0.0, left))
            assert ready, f"{text!r} did not come: {self.seen!r}"
            self.seen += os.read(self.master, 65536).decode()

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def end(self) -> int:
        """Read to the end; return the exit status."""
        while True:
            try:
                chunk = os.read(self.master, 65536)
            except OSError:  # EIO: the last writer closed the terminal
                break
            self.seen += chunk.decode()
        os.close(self.master)
        return self.process.wait(DEADLINE)


@pytest.mark.parametrize(
    ("verb", "count", "question", "answer", "done"),
    [
        ("hold", 3, "hold 3 messages? [y/N] ", "y\n", True),
        ("hold", 3, "hold 3 messages? [y/N] ", "\n", False),
        ("delete", 3, "delete 3 messages? [y/N] ", "n\n", False),
        ("delete", 3, "delete 3 messages? [y/N] ", "y\n", True),
        ("delete", 21, "number of messages to delete them: ", "y\n", False),
        ("delete", 21, "number of messages to delete them: ", "20\n", False),
        ("delete", 21, "number of messages to delete them: ", "21\n", True),
        ("hold", 21, "hold 21 messages? [y/N] ", "\x04", False),
    ],
)
def test_a_terminal_is_shown_the_set_and_asked(
    spool: Spool, verb: str, count: int, question: str, answer: str, done: bool
) -> None:
    ids = [submit(spool) for _ in range(count)]
    terminal = Terminal(verb, "--filter", "from:alice")
    terminal.wait_for(question)
    assert f"{count} messages" in terminal.seen
    late = submit(spool)

    terminal.type(answer)

    assert terminal.end() == (OK if done else TEMPFAIL)
    assert ("nothing was done" in terminal.seen) != done
    untouched = [state(spool, queue_id) is State.DUE for queue_id in ids]
    assert untouched == [not done] * count
    assert state(spool, late) is State.DUE


def test_an_interrupt_at_the_question_does_nothing(spool: Spool) -> None:
    queue_id = submit(spool)
    terminal = Terminal("delete", "ALL")
    terminal.wait_for("[y/N] ")

    terminal.process.send_signal(signal.SIGINT)

    assert terminal.end() == 130
    assert state(spool, queue_id) is State.DUE
    assert os.listdir(spool.path / "audit") == []


def test_the_first_interrupt_asks_to_stop_and_the_second_insists() -> None:
    before = signal.getsignal(signal.SIGINT)
    with stop_on_interrupt() as stopped:
        assert not stopped()
        os.kill(os.getpid(), signal.SIGINT)
        assert stopped()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


@needs_open_python
def test_root_acts_as_the_queue_user_and_is_named_in_the_log() -> None:
    nobody = Owner(uid=65534, gid=65534)
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        os.chmod(name, 0o711)
        path = Path(name) / "spool"
        create_spool(path, owner=nobody)
        (path / "tuiq.toml").write_text(f'[spool]\nqueues = "{path}/q.*"\n')
        done = subprocess.run(
            [sys.executable, "-m", "tuiq", "hold", "Z" * 19],
            env={**os.environ, "TUIQ_CONFIG": f"{path}/tuiq.toml", "SUDO_USER": "eve"},
            check=True,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
        )
        assert done.stdout.startswith("held 0 messages, 1 gone since\n")
        (log,) = (path / "audit").iterdir()
        assert log.stat().st_uid == nobody.uid
        started = json.loads(log.read_text().splitlines()[0])
        assert (started["who"], started["uid"]) == ("eve", 0)

"""sendmail as its callers know it: their command lines, their input, its statuses."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tuiq.cli import sendmail
from tuiq.cli.diagnostics import guarded
from tuiq.cli.sendmail_message import Caller, Submission, compose
from tuiq.cli.sendmail_options import Mode, Options, parse
from tuiq.config import Config, SubmissionConfig
from tuiq.errors import ConfigError, InputError, SpoolUnavailable, UsageError
from tuiq.mail import headers
from tuiq.mail.envelope import Envelope

CALLER = Caller(
    uid=1000,
    login="jane",
    full_name="Jane Doe",
    now=1_700_000_000.0,
    utc_offset=3600,
    token="c0ffee",
)
CONFIG = SubmissionConfig(hostname="mx.example.net", origin="example.net")
MAIL = b"From: a@b.c\nTo: root\nSubject: x\n\nhello\n"


def composed(
    words: list[str], mail: bytes = MAIL, *, config: SubmissionConfig = CONFIG
) -> Submission:
    return compose(parse(["sendmail", *words]), io.BytesIO(mail), config, CALLER)


def recipients(words: list[str], mail: bytes = MAIL) -> list[bytes]:
    return [each.address for each in composed(words, mail).envelope.recipients]


def data(words: list[str], mail: bytes = MAIL) -> bytes:
    return b"".join(composed(words, mail).data)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        # PHP mail(), with and without its fifth argument
        ("-t -i", Options(from_headers=True, dot_ends=False)),
        ("-t -i -fa@b", Options(from_headers=True, dot_ends=False, sender=b"a@b")),
        # cronie, old and newer
        (
            "-FCronDaemon -i -odi -oem -oi -t -f root",
            Options(
                full_name="CronDaemon",
                dot_ends=False,
                from_headers=True,
                sender=b"root",
            ),
        ),
        ("-i -t -f <>", Options(dot_ends=False, from_headers=True, sender=b"<>")),
        # vixie cron, Debian cron
        (
            "-FCronDaemon -odi -oem -oi -t",
            Options(full_name="CronDaemon", dot_ends=False, from_headers=True),
        ),
        (
            "-FCronDaemon -i -B8BITMIME -oem root",
            Options(
                full_name="CronDaemon",
                dot_ends=False,
                body=b"8BITMIME",
                recipients=(b"root",),
            ),
        ),
        # systemd-cron, busybox crond
        (
            "-i -B 8BITMIME jane",
            Options(dot_ends=False, body=b"8BITMIME", recipients=(b"jane",)),
        ),
        ("-ti", Options(from_headers=True, dot_ends=False)),
        # mdadm, anacron, atd
        ("-t -froot@x", Options(from_headers=True, sender=b"root@x")),
        ("-FAnacron -odi root", Options(full_name="Anacron", recipients=(b"root",))),
        ("-i jane", Options(dot_ends=False, recipients=(b"jane",))),
        # git send-email
        (
            "-f me@x -i a@b c@d",
            Options(sender=b"me@x", dot_ends=False, recipients=(b"a@b", b"c@d")),
        ),
        # s-nail, a recipient that looks like a flag; Alpine
        ("-i -- -f@b a@b", Options(dot_ends=False, recipients=(b"-f@b", b"a@b"))),
        ("-bs -odb -oem", Options(mode=Mode.SMTP)),
    ],
)
def test_each_known_caller_is_understood(words: str, expected: Options) -> None:
    assert parse(["/usr/sbin/sendmail", *words.split()]) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("-r a@b x", Options(sender=b"a@b", recipients=(b"x",))),
        ("-Fx -f a -f b x", Options(full_name="x", sender=b"b", recipients=(b"x",))),
        (
            "-N success,delay -R hdrs -Va+b x",
            Options(
                notify=b"SUCCESS,DELAY",
                ret=b"HDRS",
                envid=b"a+2Bb",
                recipients=(b"x",),
            ),
        ),
        (
            "-N never -R FULL -V a+2Bb",
            Options(notify=b"NEVER", ret=b"FULL", envid=b"a+2Bb"),
        ),
        (
            "-bm -itv x",
            Options(
                dot_ends=False, from_headers=True, verbose=True, recipients=(b"x",)
            ),
        ),
        (
            "-m -n -U -G -h 5 -L tag -X /log -Am -C /cf -O A=b -oA -d0.1 -d x",
            Options(recipients=(b"x",)),
        ),
        ("-om -oe -em -odq -o i x", Options(dot_ends=False, recipients=(b"x",))),
        ("x -f y", Options(recipients=(b"x", b"-f", b"y"))),
        ("-Zi -t x", Options(from_headers=True, ignored=("-Zi",), recipients=(b"x",))),
        ("--unknown=1 x", Options(ignored=("--unknown=1",), recipients=(b"x",))),
        ("-bp", Options(mode=Mode.LIST)),
        ("-bi", Options(mode=Mode.ALIASES)),
        ("-I", Options(mode=Mode.ALIASES)),
        ("-bv x", Options(mode=Mode.VERIFY, recipients=(b"x",))),
        ("-q", Options(mode=Mode.FLUSH)),
        ("-q30m", Options(mode=Mode.FLUSH)),
        ("-qf", Options(mode=Mode.FLUSH)),
        ("-qp5m", Options(mode=Mode.FLUSH)),
        ("-qI0AB", Options(mode=Mode.FLUSH, filters=('id:"0AB"',))),
        ('-qRa"b -q!Sx', Options(mode=Mode.FLUSH, filters=('to:"a\\"b"', '!from:"x"'))),
        ("-qGq.1 -v", Options(mode=Mode.FLUSH, filters=('queue:"q.1"',), verbose=True)),
        ("-bp -qRx", Options(mode=Mode.LIST, filters=('to:"x"',))),
    ],
)
def test_flags_mean_what_the_manual_says(words: str, expected: Options) -> None:
    assert parse(["sendmail", *words.split()]) == expected


@pytest.mark.parametrize(
    ("program", "mode"),
    [
        ("/usr/bin/mailq", Mode.LIST),
        ("newaliases", Mode.ALIASES),
        ("sendmail", Mode.DELIVER),
        ("tuiq-sendmail", Mode.DELIVER),
    ],
)
def test_the_name_it_is_called_by_sets_the_mode(program: str, mode: Mode) -> None:
    assert parse([program]).mode is mode


@pytest.mark.parametrize(
    "words",
    [
        *(
            "-f",
            "-N sometimes",
            "-N never,delay",
            "-R all",
            "-B 9bit",
            f"-V {'x' * 101}",
        ),
        *("-bd", "-bt", "-qX", "-qI", "-b"),
    ],
)
def test_a_flag_that_would_change_the_mail_must_make_sense(words: str) -> None:
    with pytest.raises(UsageError, match="read command line"):
        parse(["sendmail", *words.split()])


def test_recipients_of_headers_and_arguments_add_up() -> None:
    mail = b"To: a@B.c, Jane <b@b.c>\nCc: root (who else), a@b.C\nbcc: d@e\n\n"
    expected = [b"x@y", b"a@b.c", b"b@b.c", b"root@example.net", b"d@e"]
    assert recipients(["-t", "x@Y,a@b.c"], mail) == expected


def test_resent_recipients_replace_the_original_ones() -> None:
    mail = b"To: old@x\nBcc: older@x\nResent-To: new@x\nResent-Bcc: newer@x\n\n"
    assert recipients(["-t"], mail) == [b"new@x", b"newer@x"]


@pytest.mark.parametrize("words", [["-t"], ["x@y"]])
def test_bcc_never_leaves(words: list[str]) -> None:
    mail = b"To: a@b\nBCC: secret@x,\n more-secret@x\nResent-Bcc: s@x\nX: y\n\nBcc: z\n"
    out = data(words, mail)
    assert out.startswith(b"To: a@b\r\nX: y\r\n")
    assert b"secret" not in out
    assert out.endswith(b"\r\n\r\nBcc: z\r\n")


def test_missing_fields_are_added_and_everything_else_keeps_its_bytes() -> None:
    mail = b"Subject:  odd \t\n  folding\nX-\xff: \xe9\n\nbody  \n.\n"
    out = data(["-i", "root"], mail)
    assert out == (
        b"Subject:  odd \t\r\n  folding\r\n"
        b"From: Jane Doe <jane@example.net>\r\n"
        b"Date: Tue, 14 Nov 2023 23:13:20 +0100\r\n"
        b"Message-ID: <1700000000.c0ffee@mx.example.net>\r\n"
        b"\r\nX-\xff: \xe9\r\n\r\nbody  \r\n.\r\n"
    )


def test_a_message_without_header_gets_one() -> None:
    out = data(["root"], b"just text\n")
    assert out.endswith(b"\r\n\r\njust text\r\n")
    names = [name for name, _ in headers.fields(out)]
    assert names == [b"From", b"Date", b"Message-ID"]


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
@pytest.mark.parametrize(
    ("words", "body"),
    [
        (["-t"], b"one\r\n"),
        (["-t", "-i"], b"one\r\n.\r\nQUIT\r\n"),
        (["-t", "-oi"], b"one\r\n.\r\nQUIT\r\n"),
    ],
)
def test_a_lone_dot_ends_the_message_unless_i(
    line_end: bytes, words: list[str], body: bytes
) -> None:
    mail = b"To: a@b\n\none\n.\nQUIT\n".replace(b"\n", line_end)
    assert data(words, mail).partition(b"\r\n\r\n")[2] == body


@pytest.mark.parametrize(
    ("words", "sender", "shown"),
    [
        ([], b"jane@example.net", b"From: Jane Doe <jane@example.net>\r\n"),
        (["-f", "<>"], b"", b"From: MAILER-DAEMON@example.net\r\n"),
        (["-f", ""], b"", b"From: MAILER-DAEMON@example.net\r\n"),
        (["-fbob"], b"bob@example.net", b"From: bob@example.net\r\n"),
        (["-f", "Bob <bob@X>"], b"bob@x", b"From: bob@x\r\n"),
        (["-F", "A.B"], b"jane@example.net", b'From: "A.B" <jane@example.net>\r\n'),
        (["-Fx\r\nBcc: y", "-fq"], b"q@example.net", b'"x Bcc: y" <q@example.net>'),
    ],
)
def test_the_sender_is_the_caller_or_f(
    words: list[str], sender: bytes, shown: bytes
) -> None:
    submission = composed([*words, "root"], b"To: x\n\n")
    assert submission.envelope.sender == sender
    assert shown in b"".join(submission.data)


def test_delivery_status_options_reach_every_recipient() -> None:
    words = ["-N", "delay,failure", "-R", "full", "-V", "id 1", "-B8bitmime"]
    envelope = composed([*words, "a@b", "c@d"]).envelope
    assert [each.notify for each in envelope.recipients] == [b"DELAY,FAILURE"] * 2
    assert (envelope.ret, envelope.envid) == (b"FULL", b"id+201")
    assert (envelope.body, envelope.uid) == (b"8BITMIME", 1000)
    assert envelope.via == b"sendmail"


@pytest.mark.parametrize(
    ("words", "needed"),
    [(["a@b"], False), (["jos\u00e9@b"], True), (["-f", "jos\u00e9@b", "a@b"], True)],
)
def test_smtputf8_follows_the_addresses(words: list[str], needed: bool) -> None:
    mail = "Subject: h\u00e9\n\n".encode()
    assert composed(words, mail).envelope.smtputf8 is needed


def test_the_trace_field_is_made_from_the_queue_id_unless_switched_off() -> None:
    received = composed(["root"]).received
    assert received is not None
    assert received("0ABC") == (
        b"Received: by mx.example.net (tuiq) id 0ABC (uid 1000);\r\n"
        b"\tTue, 14 Nov 2023 23:13:20 +0100\r\n"
    )
    quiet = SubmissionConfig(hostname="h", received_header=False)
    assert composed(["root"], config=quiet).received is None


def test_unqualified_recipients_go_through_the_aliases(tmp_path: Path) -> None:
    file = tmp_path / "aliases"
    file.write_bytes(b"root: jane, ops@Example.ORG\njane: j@x.y\n")
    config = SubmissionConfig(hostname="h.example", aliases=file)
    envelope = composed(["root", "j@x.y", "bob"], config=config).envelope
    assert [each.address for each in envelope.recipients] == [
        b"j@x.y",
        b"ops@example.org",
        b"bob@h.example",
    ]


def test_unreadable_aliases_stop_submission(tmp_path: Path) -> None:
    config = SubmissionConfig(hostname="h", aliases=tmp_path / "none")
    with pytest.raises(ConfigError, match=r"none: read aliases: no such file.*; mend"):
        composed(["a@b"], config=config)


@pytest.mark.parametrize(
    ("words", "mail", "reason"),
    [
        (["-t"], b"Subject: x\n\n", "read recipients: there are none"),
        (["-t"], b"To: undisclosed-recipients:;\n\n", "there are none"),
        (["-t"], b"To: a@b c@d\n\n", "no single meaning"),
        (["a@b", "c@@d"], b"", "c@@d: read address"),
        (["-t"], b"To: a\x07@b\n\n", "control characters|no single meaning"),
        (["a@b"], b"Received: x\n" * 50, "50 or more Received fields"),
        (["a@b"], b"X: \0\n\n", "NUL"),
    ],
)
def test_what_can_never_be_sent_is_refused(
    words: list[str], mail: bytes, reason: str
) -> None:
    with pytest.raises(InputError, match=reason):
        composed(words, mail)


def test_the_recipient_limit_is_named() -> None:
    config = SubmissionConfig(hostname="h", max_recipients=2)
    assert composed(["a@b,c@d,a@B"], config=config)
    with pytest.raises(InputError, match=r"3 are more than 2.*max_recipients"):
        composed(["a@b,c@d,e@f"], config=config)


class FakeSpool:
    """Keeps what it is given, or refuses."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.taken: list[tuple[Envelope, bytes]] = []

    def submit(
        self,
        envelope: Envelope,
        data: Iterable[bytes],
        received: Callable[[str], bytes] | None = None,
    ) -> str:
        if self.error:
            raise self.error
        trace = received("0ID") if received else b""
        self.taken.append((envelope, trace + b"".join(data)))
        return "0ID"

    @contextmanager
    def opened(self, config: Config) -> Iterator[FakeSpool]:
        assert config.submission.origin == "example.net"
        yield self


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "tuiq.toml"
    file.write_text(
        f'[spool]\nqueues = "{tmp_path}/q.*"\n'
        '[submission]\nhostname = "mx.example.net"\norigin = "example.net"\n'
        'max_message_bytes = "1K"\n'
    )
    monkeypatch.setenv("TUIQ_CONFIG", str(file))


def status(spool: FakeSpool, words: list[str], mail: bytes = MAIL) -> int:
    return guarded(
        lambda: sendmail.run(
            ["sendmail", *words], io.BytesIO(mail), opener=spool.opened
        )
    )


def test_success_is_silent_and_zero(capsys: pytest.CaptureFixture[str]) -> None:
    spool = FakeSpool()
    assert status(spool, ["-t", "-i"]) == 0
    ((envelope, stored),) = spool.taken
    assert envelope.recipients[0].address == b"root@example.net"
    assert stored.startswith(b"Received: by mx.example.net (tuiq) id 0ID (uid ")
    assert capsys.readouterr() == ("", "")


def test_verbose_names_the_queue_id_and_what_was_passed_over(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert status(FakeSpool(), ["-v", "-Zx", "root"]) == 0
    out, err = capsys.readouterr()
    assert out == "queued as 0ID\n"
    assert "-Zx" in err


@pytest.mark.parametrize(
    ("words", "mail", "error", "code"),
    [
        ([], MAIL, None, 64),
        (["-bs"], MAIL, None, 64),
        (["-bd"], MAIL, None, 64),
        (["-R", "x", "root"], MAIL, None, 64),
        (["root"], b"a\0b", None, 65),
        (["root"], b"a" * 2000, None, 65),
        (["root@"], MAIL, None, 65),
        (["root"], MAIL, SpoolUnavailable("disk: full; make room"), 75),
        (["root"], MAIL, ConfigError("f", "k", "wrong"), 78),
    ],
)
def test_failures_have_their_sysexit_and_one_line(
    words: list[str],
    mail: bytes,
    error: Exception | None,
    code: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    spool = FakeSpool(error)
    assert status(spool, words, mail) == code
    assert spool.taken == []
    assert capsys.readouterr().err.count("\n") == 1


def test_bv_prints_where_mail_would_go(capsys: pytest.CaptureFixture[str]) -> None:
    assert status(FakeSpool(), ["-bv", "root", "a@B"]) == 0
    out = capsys.readouterr().out
    assert out == "root@example.net... deliverable\na@b... deliverable\n"


def test_newaliases_has_nothing_to_do() -> None:
    assert status(FakeSpool(), ["-bi"]) == 0


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["-bp"], ["mailq"]),
        (["-bp", "-qRx"], ["mailq", "--filter", 'to:"x"']),
        (["-q"], ["flush", "ALL", "--yes"]),
        (["-qIab", "-qS c"], ["flush", "--filter", 'id:"ab" from:" c"', "--yes"]),
    ],
)
def test_queue_flags_become_commands(
    words: list[str], command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []

    def dispatch(arguments: list[str]) -> int:
        seen.append(arguments)
        return 0

    monkeypatch.setattr("tuiq.cli.main.dispatch", dispatch)
    assert status(FakeSpool(), words) == 0
    assert seen == [command]

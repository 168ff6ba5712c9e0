"""The quick way of tuiq-sendmail: where it has an answer, it is sendmail's own."""

from __future__ import annotations

import io
import os
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tuiq.cli import sendmail_message, sendmail_plain
from tuiq.cli.sendmail_install import install
from tuiq.cli.sendmail_options import Mode, parse
from tuiq.cli.sendmail_plain import LARGEST, NotPlain, hand_in, read_line
from tuiq.config import Config, SubmissionConfig, loader
from tuiq.config import settings as every_setting
from tuiq.config.glance import SECTIONS, Glance, find, read
from tuiq.errors import ConfigError, UsageError
from tuiq.mail import headers, plain
from tuiq.spool import dropfile
from tuiq.spool.setup import create_spool

if TYPE_CHECKING:
    from pathlib import Path

WHO = ("jane", "Jane Doe")
HOST = "mx.example.net"
CONFIG = SubmissionConfig(
    hostname=HOST, origin="example.net", max_message_bytes=2000, max_hops=3,
    max_recipients=4,
)  # fmt: skip
CALLER = sendmail_message.Caller(
    uid=1000, login=WHO[0], full_name=WHO[1], now=1.7e9, utc_offset=0, token="c0ffee"
)
PLAIN_MAIL = b"To: a@b.c\nSubject: x\n\nhello\n"


def glance_at_config() -> Glance:
    glance = Glance("/spool", {"max_message_bytes": 2000, "max_hops": 3})
    glance.max_recipients = 4
    glance.hostname, glance.origin = HOST, "example.net"
    return glance


@pytest.fixture(autouse=True)
def fixed_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (plain, headers):
        monkeypatch.setattr(module, "date_value", lambda *_args: b"now")
    monkeypatch.setattr(plain, "message_id", lambda *_args: b"<unique>")


def the_quick_way(words: list[str], mail: bytes) -> bytes | None:
    """Return the drop file without its END; None: not plain."""
    line = read_line(["sendmail", *words])
    with suppress(NotPlain, ValueError):
        if line:
            taken = bytearray()
            reading, writing = os.pipe()
            with os.fdopen(writing, "wb") as end:
                end.write(mail)
            with os.fdopen(reading) as start:
                sendmail_plain.read_all(start.fileno(), taken, dot_ends=line.dot_ends)
            return sendmail_plain.compose(line, bytes(taken), glance_at_config(), WHO)
    return None


def the_long_way(words: list[str], mail: bytes) -> bytes:
    options = parse(["sendmail", *words])
    assert options.mode is Mode.DELIVER
    assert not options.ignored
    made = sendmail_message.compose(options, io.BytesIO(mail), CONFIG, CALLER)
    made.envelope.check()
    return b"".join(dropfile.blocks(made.envelope, made.data))


WORDS = """root jane@x a@B.c a@b.c, c@d.e;f@g <a@b> Jane_D.<j@x> (c)a@b a@b. a@.b
 a@b@c |x @x uü@b a:b; a\\@b ,, <> "q"@x =?utf-8?q?=C3?=<a@b> A_B@C.D. x,y"""
ADDRESSES = st.sampled_from(WORDS.split()) | st.text('ab@.,<>; \t\n"(\\', max_size=12)
SWITCHES = """-i -t -ti -it -oi -oem -odq -o -m -em -e -bm -v -f -fbob -r -F -FA -Fä
 -F"x -B8BITMIME -B -B9 -N -q - -- -Zi --help -U -ff@g -ft@u,v -f<>"""
FLAGS = st.sampled_from(SWITCHES.split())
FIELDS = st.sampled_from(
    [
        *(b"To: ", b"cc:", b"Bcc : ", b"Resent-To: ", b"Subject: ", b"Received: "),
        *(b"From: ", b"DATE:", b"Message-Id: ", b"From x", b" folded", b"\t", b": "),
        *(b"X\xff: ", b"X Y: ", b".", b"\r", b"\r\n", b"\0", b"\n", b""),
    ]
)
VALUES = ADDRESSES.map(lambda text: text.encode())
LINES = st.builds(
    lambda field, value, end: field + value + end,
    FIELDS, VALUES, st.sampled_from([b"\n"] * 9 + [b"\r\n", b"\r\r\n", b"\r", b""]),
)  # fmt: skip


@settings(max_examples=600)
@given(
    flags=st.lists(FLAGS, max_size=2),
    addresses=st.lists(ADDRESSES, max_size=2),
    mail=st.lists(LINES, max_size=5).map(b"".join),
)
@example(flags=["-i"], addresses=["a@b"], mail=b"X: " + b"y" * 1990 + b"\n\n")
@example(flags=["-i"], addresses=["a@b"], mail=b"Received: x\n" * 3)
@example(flags=[], addresses=["a,b,c,d,e"], mail=b"")
def test_a_plain_message_is_what_the_long_way_makes(
    flags: list[str], addresses: list[str], mail: bytes
) -> None:
    words = [*flags, "root", *addresses]
    made = the_quick_way(words, mail)
    if made is not None:
        assert made == the_long_way(words, mail)


@pytest.mark.parametrize(
    ("words", "mail"),
    [
        (["-t", "-i"], PLAIN_MAIL),
        (["-t", "-i", "-fa@b"], PLAIN_MAIL.replace(b"\n", b"\r\n")),
        (["-i", "-FCronDaemon", "-B8BITMIME", "-oem", "root"], b"To: root\n\nx"),
        (["-FCronDaemon", "-odi", "-oem", "-oi", "-t", "-f", "root"], PLAIN_MAIL),
        (["root"], b"no header at all\n"),
        (["-i", "-f", "<>", "--", "a@b"], b"X: y\n\n.\n.\n"),
        (["-t"], b"Cc: Jane Doe <j@x.y>,\n b@c\nBcc: d@e\n\n..\n.x\n"),
        (["a@b"], b""),
    ],
)
def test_what_programs_usually_send_is_plain(words: list[str], mail: bytes) -> None:
    assert the_quick_way(words, mail) == the_long_way(words, mail)


@pytest.mark.parametrize(
    ("words", "mail"),
    [
        ([], PLAIN_MAIL),
        (["-v", "a@b"], PLAIN_MAIL),
        (["-bp"], PLAIN_MAIL),
        (["a@b"], b"x\n.\nlate\n"),
        (["a@b"], b"x\r\n.\r\nlate\n"),
        (["a@b"], b".\n"),
        (["a@b"], b"x\n."),
        (["a@b"], b"a\0b"),
        (["a@b"], b"a\rb"),
        (["-t"], b"Resent-To: a@b\n\n"),
        (["-i", "a@b"], b"x" * (LARGEST + 1)),
    ],
)
def test_the_rest_goes_the_long_way(words: list[str], mail: bytes) -> None:
    line = read_line(["sendmail", *words])
    taken = bytearray()
    if line is None:
        return
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(reading)
        with suppress(OSError), os.fdopen(writing, "wb") as end:
            end.write(mail)
        os._exit(0)
    os.close(writing)

    def taken_in() -> bytes:
        sendmail_plain.read_all(reading, taken, dot_ends=line.dot_ends)
        return sendmail_plain.compose(line, bytes(taken), glance_at_config(), WHO)

    try:
        with pytest.raises(NotPlain):
            taken_in()
    finally:
        os.close(reading)
        os.waitpid(pid, 0)
    assert mail.startswith(taken)


@pytest.mark.parametrize("name", ["mailq", "/usr/bin/newaliases", "tuiq-mailq"])
def test_other_programs_by_name_go_the_long_way(name: str) -> None:
    assert read_line([name, "a@b"]) is None


# -- the settings --------------------------------------------------------------

LINES_OF_SETTINGS = st.sampled_from(
    [
        '[spool]', '[submission]', '[delivery]', '[journal] # x', '[nothing]',
        '[[spool]]', '[delivery.pools]', '[ spool ]', 'queues = "q.*"',
        'queues="/var/spool/x/q"', 'queues = "d*"', 'queues = "*"', 'queues = "a?/q"',
        'queues = "~/q.*"', 'queues = "q\\u0041"', "queues = 'q.*'", 'queues = ""',
        'queues = "run"', 'queues = "q.*" # all', 'queues = "q" x', 'queues = "é"',
        'durability = "each"', 'durability = "most"', 'in_doubt = "hold"',
        'trash_keep = "1d"',
        'min_free_percent = 10', 'min_free_percent = 51', 'min_free_percent = "7%"',
        'min_free_percent = 0.5', 'min_free_bytes = "1G"', 'min_free_bytes = "1 MiB"',
        'min_free_bytes = 4096', 'min_free_bytes = -1', 'min_free_inodes = 0',
        'min_free_inodes = true', 'min_free_inodes = 007', 'min_free_inodes = 1_0',
        'hostname = "mx.example.org"', 'hostname = "a..b"', 'hostname = ""',
        'hostname = "-x"', 'hostname = 3', 'origin = "example.org"', 'origin = "o."',
        'aliases = ""', 'aliases = "/etc/aliases"', 'max_message_bytes = "35M"',
        'max_message_bytes = 1000', 'max_recipients = 1', 'max_recipients = 0',
        'max_hops = 20', 'max_hops = "20"', 'received_header = false',
        'received_header = 0', '# nothing', '', 'x', '= 1', 'smarthost = "h"',
        'routes = [', '  {to = "*", via = "h:25"},', ']', 'text = """',
    ]
)  # fmt: skip


@settings(max_examples=600)
@given(st.lists(LINES_OF_SETTINGS, max_size=2), st.lists(LINES_OF_SETTINGS, max_size=2))
@example([], ["[delivery]", "x"])
@example(['min_free_bytes = "1G"', "min_free_inodes = 0"], [])
def test_settings_at_a_glance_are_those_of_the_loader(
    spool: list[str], submission: list[str]
) -> None:
    queues = [] if any("queues" in line for line in spool) else ['queues = "q.*"']
    lines = ["[spool]", *queues, *spool, "[submission]", *submission]
    seen = read("\n".join(lines), "/base")
    if seen is None:
        return
    with_care = loaded(only_what_matters(lines))
    sub, floors = with_care.submission, with_care.spool
    assert seen.spool == str(with_care.spool_path)
    assert (seen.hostname, seen.origin) == (sub.hostname, sub.origin or sub.hostname)
    for key in ("max_message_bytes", "max_recipients", "max_hops"):
        assert getattr(seen, key) == getattr(sub, key)
    for key in ("min_free_percent", "min_free_bytes", "min_free_inodes"):
        assert getattr(seen, key) == getattr(floors, key)
    assert sub.aliases is None


def only_what_matters(lines: list[str]) -> str:
    """Return the two sections that count: the rest may not even be TOML."""
    kept, matters = [], False
    for line in lines:
        if line.startswith("["):
            matters = line in {"[spool]", "[submission]"}
        if matters:
            kept.append(line)
    return "\n".join(kept)


def loaded(text: str) -> Config:
    import tomllib
    from pathlib import Path

    return loader.parse(tomllib.loads(text), source=Path("/base/tuiq.toml"))


def test_the_file_that_init_writes_is_read_at_a_glance(tmp_path: Path) -> None:
    from tuiq.cli.main import dispatch

    assert dispatch(["init", "--drop", str(tmp_path / "s")]) == 0
    seen = read((tmp_path / "s" / "tuiq.toml").read_text(), str(tmp_path / "s"))
    assert seen is not None
    assert seen.spool == str(tmp_path / "s")


def test_every_section_is_known_at_a_glance() -> None:
    assert tuple(every_setting.SECTIONS) == SECTIONS


def test_routes_elsewhere_do_not_matter() -> None:
    text = '[spool]\nqueues = "q.*"\n[delivery]\nroutes = [\n  {to = "*"},\n]\n'
    assert read(text, "/base") is not None


@pytest.mark.parametrize(
    "environ",
    [
        {"TUIQ_CONFIG": "/etc/x.toml"},
        {"TUIQ_CONFIG": "x.toml"},
        {"HOME": "/home/none"},
        {"HOME": "/home/none", "XDG_CONFIG_HOME": "{tmp}"},
    ],
)
def test_the_same_file_is_found(
    environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tuiq").mkdir()
    (tmp_path / "tuiq" / "tuiq.toml").touch()
    wanted = {key: value.format(tmp=tmp_path) for key, value in environ.items()}
    monkeypatch.setattr(loader, "_refuse_planted", lambda _path: None)
    raw = {key.encode(): value.encode() for key, value in wanted.items()}
    try:
        expected = str(tmp_path / loader.find(environ=wanted, cwd=tmp_path))
    except ConfigError:
        expected = "/etc/tuiq/tuiq.toml"
    assert find(raw) == expected


def test_root_looks_closer_at_a_file_in_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tuiq.toml").touch()
    monkeypatch.setattr("posix.geteuid", lambda: 0)
    assert find({b"HOME": b"/root"}) is None
    monkeypatch.setattr("posix.geteuid", lambda: 1)
    assert find({b"HOME": b"/root"}) == str(tmp_path / "tuiq.toml")


# -- handing in ----------------------------------------------------------------


def handed_in(spool: Path, settings: str = "", *, umask: int = 0o022) -> list[Path]:
    """Hand in one message; return the files in drop/ then."""
    file = spool / "tuiq.toml"
    file.write_text(f'[spool]\nqueues = "q.*"\n{settings}')
    old = os.umask(umask)
    reading, writing = os.pipe()
    os.write(writing, PLAIN_MAIL)
    os.close(writing)
    try:
        environ = {b"TUIQ_CONFIG": os.fsencode(file)}
        with suppress(OSError):
            hand_in(["sendmail", "-t"], bytearray(), environ, reading)
    finally:
        os.close(reading)
        os.umask(old)
    return sorted((spool / "drop").glob("[tm].*"))


@pytest.mark.parametrize("umask", [0, 0o077])
def test_a_dropped_file_is_whole_and_open_to_its_group_only(
    tmp_path: Path, umask: int
) -> None:
    create_spool(tmp_path / "spool", drop=True)
    (file,) = handed_in(tmp_path / "spool", umask=umask)
    assert file.name.startswith("m.")
    assert file.stat().st_mode & 0o777 == 0o640
    assert file.read_bytes().splitlines()[-1].startswith(b"END ")


def test_a_full_disk_is_left_to_sendmail(tmp_path: Path) -> None:
    create_spool(tmp_path / "spool", drop=True)
    plenty = 'min_free_percent = 50\nmin_free_bytes = "999999G"\n'
    free = os.statvfs(tmp_path)
    if free.f_bavail * 2 < free.f_blocks:
        assert handed_in(tmp_path / "spool", plenty) == []
    assert len(handed_in(tmp_path / "spool", "min_free_percent = 0\n")) == 1


def test_without_drop_nothing_is_read(tmp_path: Path) -> None:
    create_spool(tmp_path / "spool")
    (tmp_path / "spool" / "tuiq.toml").write_text('[spool]\nqueues = "q.*"\n')
    environ = {b"TUIQ_CONFIG": os.fsencode(tmp_path / "spool" / "tuiq.toml")}
    with pytest.raises(FileNotFoundError):
        hand_in(["sendmail", "a@b"], bytearray(), environ, stdin=-1)


# -- the program that is written -----------------------------------------------


def test_an_installed_program_replaces_its_own_kind_only(tmp_path: Path) -> None:
    file = tmp_path / "sendmail"
    install(str(file))
    first = file.stat()
    install(str(file))
    assert first.st_mode & 0o777 == 0o755
    assert file.stat().st_ino != first.st_ino
    file.write_text("somebody else's")
    with pytest.raises(UsageError, match="it is not tuiq's"):
        install(str(file))
    link = tmp_path / "link"
    link.symlink_to("nowhere")
    with pytest.raises(UsageError, match="it is not tuiq's"):
        install(str(link))
    assert [path.name for path in tmp_path.iterdir()].count("sendmail") == 1
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("python", ["/opt/my python/bin/python3", "/" + "x" * 127])
def test_an_interpreter_that_no_first_line_can_name_is_refused(
    python: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", python)
    with pytest.raises(UsageError, match=r"make .* a link to"):
        install(str(tmp_path / "sendmail"))
    assert list(tmp_path.iterdir()) == []

"""A spool with one message in each state, a clock that stands still, golden files."""

from __future__ import annotations

import os
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from tuiq.cli.diagnostics import guarded
from tuiq.cli.main import dispatch
from tuiq.clock import SystemClock
from tuiq.mail.envelope import Envelope, Recipient
from tuiq.spool import control
from tuiq.spool.fs import OsFs
from tuiq.spool.layout import is_queue_id, make_id
from tuiq.spool.pauses import Pauses, Scope
from tuiq.spool.setup import create_spool

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = 1_800_000_000
DAY = 86_400
GOLDEN = Path(__file__).parent / "golden"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What one command line did."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


class PlantedSpool:
    """A spool whose messages are written byte by byte, for views to look at."""

    now = NOW

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ids: dict[str, str] = {}
        create_spool(path, queues=4)
        self.config = path / "tuiq.toml"
        self.config.write_text(
            f'[spool]\nqueues = "{path}/q.*"\n'
            '[delivery]\nsmarthost = "mx.example.net:25"\n'
        )

    def control_file(self, name: str) -> Path:
        return next(self.path.glob(f"q.*/qf{self.ids[name]}"))

    def plant(
        self,
        name: str,
        *,
        place: str = "q.1",
        age: float = 60,
        to: tuple[bytes, ...] = (b"one@example.org",),
        sender: bytes = b"news@lists.example.com",
        data: bytes = b"Subject: hello\r\n\r\nbody\r\n",
    ) -> str:
        """Write a live message of *age* seconds; its id ends in *name* (no ILOU)."""
        birth = int((NOW - age) * 1e6)
        queue_id = make_id(birth, name.upper().rjust(8, "0"))
        assert is_queue_id(queue_id)
        message = control.Message(
            queue_id=queue_id,
            birth_us=birth,
            envelope=Envelope(
                sender=sender,
                recipients=tuple(Recipient(address=address) for address in to),
                uid=1000,
                via=b"sendmail",
            ),
            data_length=len(data),
            data_crc=zlib.crc32(data),
        )
        for prefix, content in (("df", data), ("qf", control.encode(message))):
            path = self.path / place / (prefix + queue_id)
            path.write_bytes(content)
            path.chmod(0o600)
        self.ids[name] = queue_id
        return queue_id

    def poke(self, name: str, *patches: tuple[int, bytes]) -> None:
        """Overwrite bytes of a control file."""
        with self.control_file(name).open("r+b") as file:
            for offset, data in patches:
                file.seek(offset)
                file.write(data)

    def tried(self, name: str, *, tries: int, wait: int, reply: bytes) -> None:
        """Note *tries* attempts, the next in *wait* seconds."""
        self.poke(
            name,
            (control.NEXT, b"%08X%04X%08X" % (NOW + wait, tries, NOW - 300)),
            (control.REPLY, reply.ljust(control.REPLY_LENGTH)),
        )

    def slot(self, name: str, index: int, data: bytes) -> None:
        """Overwrite the beginning of a recipient's slot."""
        self.poke(name, (control.slot_at(index), data))

    def pause(self, scope: Scope, name: str, *, wait: int, reason: str) -> None:
        fd = os.open(self.path / "pauses", os.O_RDONLY)
        try:
            pauses = Pauses(OsFs(), fd, SystemClock())
            until = NOW + wait if wait else 0
            pauses.pause(scope, name, who="ann", reason=reason, until=until)
        finally:
            os.close(fd)


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the clock, in UTC; give every disk the same free space."""
    monkeypatch.setattr(SystemClock, "now", lambda _self: float(NOW))
    monkeypatch.setattr(SystemClock, "now_ns", lambda _self: NOW * 10**9)
    space = SimpleNamespace(
        f_frsize=4096,
        f_blocks=1 << 24,
        f_bavail=1 << 23,
        f_files=1 << 20,
        f_favail=1 << 19,
    )
    monkeypatch.setattr(OsFs, "statvfs", lambda _self, _fd: space)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


@pytest.fixture
def planted(frozen: None, tmp_path: Path) -> PlantedSpool:
    """A spool with four empty queue directories."""
    return PlantedSpool(tmp_path / "spool")


@pytest.fixture
def stocked(planted: PlantedSpool) -> PlantedSpool:
    """One message in each state, q.4 empty."""
    planted.plant("fresh")
    three = (b"done@a.example", b"grey@b.example", b"full@b.example")
    planted.plant("def", to=three, age=2 * DAY + 4 * 3600)
    planted.tried("def", tries=3, wait=720, reply=b"451 4.7.1 greylisted")
    planted.slot("def", 0, b"D-0100000000250")
    planted.slot("def", 1, b"T-03%08X4514.7.1    " % (NOW + 720))
    planted.slot("def", 2, b"T-03%08X4524.2.2    " % (NOW + 720))
    texts = planted.control_file("def").with_name("xf" + planted.ids["def"])
    texts.write_bytes(b"2 1799999700 452-4.2.2 mailbox full\n")
    texts.chmod(0o600)
    planted.plant("hed", place="q.2", age=3700)
    planted.poke("hed", (control.MHOLD, b"H"))
    planted.plant("trash", place="q.2", age=7200)
    planted.poke("trash", (control.TRASHED, b"%08X" % (NOW - 3600)))
    planted.slot("trash", 0, b"X")
    planted.plant("dbt", place="q.2", age=600)
    planted.tried("dbt", tries=1, wait=400, reply=b"connection lost after the dot")
    planted.slot("dbt", 0, b"U-01")
    planted.plant("bad", place="q.2", age=500)
    planted.slot("bad", 0, b"z")
    planted.plant("psd", place="q.3", to=(b"x@stop.example",), sender=b"", age=90)
    planted.pause(Scope.DESTINATION, "stop.example", wait=1800, reason="their upgrade")
    evil = (b"\x1b]0;pwned\x07@\xe2\x80\xaeexample.org",)
    subject = b"Subject: =?utf-8?q?Gr=C3=BC=1B[2J?=\r\n\r\n\x1b[31mred\r\n"
    planted.plant("evp", place="q.3", to=evil, data=subject, age=30)
    return planted


@pytest.fixture
def tuiq(
    planted: PlantedSpool, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ran]:
    """Return a function that runs one command line on the planted spool."""

    def run(*arguments: str) -> Ran:
        word, *rest = arguments
        line = [word, "--config", str(planted.config), *rest]
        status = guarded(lambda: dispatch(line))
        captured = capsys.readouterr()
        return Ran(status=status, out=captured.out, err=captured.err)

    return run


@pytest.fixture
def golden(planted: PlantedSpool) -> Callable[[str, str], None]:
    """Return a function that compares output with ``golden/<name>``.

    With TUIQ_UPDATE_GOLDEN set it writes the file instead, to be read and
    committed by a person.
    """

    def compare(name: str, out: str) -> None:
        shown = out.replace(str(planted.path), "/SPOOL")
        file = GOLDEN / name
        if os.environ.get("TUIQ_UPDATE_GOLDEN"):
            file.write_text(shown)
        assert file.read_text() == shown

    return compare

"""Large queues made at once: a spool of tuiq's, a deferred queue of Postfix's.

The files are those that the programs write themselves, names included, but nothing
is synced while they are made.  On both sides a message of 4 KB was tried once, has one
recipient and a reason for its deferral, and is due again tomorrow.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tuiq.mail.envelope import Envelope, Recipient
from tuiq.spool import control
from tuiq.spool.layout import make_id
from tuiq.spool.setup import create_spool

if TYPE_CHECKING:
    from tests.peers.postfix import Postfix

DAY = 86_400
SENDER = "news@lists.example.com"
HEADERS = f"From: <{SENDER}>\r\nSubject: newsletter of the week\r\n\r\n"
BODY = HEADERS + "Read all about it, in a line of an ordinary length indeed.\r\n" * 66
_REPLY = b"450 4.4.1 connect to mx.example.net[192.0.2.25]:25: Connection refused"
_PATIENCE = 30.0


def address(number: int) -> str:
    """Return the recipient of message *number*."""
    return f"subscriber{number:06d}@example{number % 50:02d}.invalid"


def fill_spool(path: Path, count: int, *, queues: int = 1) -> Path:
    """Make a spool of *count* deferred messages; return its configuration file."""
    create_spool(path, queues=queues)
    settings = path / "tuiq.toml"
    settings.write_text(
        f'[spool]\nqueues = "{path}/q.*"\n[delivery]\nsmarthost = "192.0.2.25:25"\n'
    )
    refill_spool(path, count, queues=queues)
    return settings


def refill_spool(path: Path, count: int, *, queues: int = 1) -> None:
    """Put *count* deferred messages into the queue directories of a spool."""
    now = int(time.time())
    data = BODY.encode()
    crc = zlib.crc32(data)
    homes = [path / f"q.{number + 1}" for number in range(queues)]
    for number in range(count):
        birth_us = (now - DAY) * 1_000_000 + number
        queue_id = make_id(birth_us)
        home = homes[number * queues // count]
        _write(home / f"df{queue_id}", data)
        raw = control.encode(
            control.Message(
                queue_id=queue_id,
                birth_us=birth_us,
                envelope=Envelope(
                    sender=SENDER.encode(),
                    recipients=(Recipient(address=address(number).encode()),),
                    uid=1000,
                ),
                data_length=len(data),
                data_crc=crc,
            )
        )
        qf = home / f"qf{queue_id}"
        _write(qf, _deferred(raw, now))
        os.utime(qf, (now + DAY, now + DAY))


def _write(path: Path, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)


def _deferred(raw: bytes, now: int) -> bytes:
    """Return a fresh control file as one failed try leaves it."""
    buffer = bytearray(raw)
    again = b"%08X" % (now + DAY)
    for offset, field in (
        (control.NEXT, again),
        (control.TRIES, b"0001"),
        (control.LAST, b"%08X" % now),
        (control.REPLY, _REPLY),
        (control.SLOTS + control.S_TRIES, b"01" + again + b"4504.4.1    "),
    ):
        buffer[offset : offset + len(field)] = field
    return bytes(buffer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """One deferred message of a real Postfix, to be multiplied."""

    message: bytes
    log: bytes
    """Its file in ``defer/``: why it was deferred."""

    @classmethod
    def take(cls, postfix: Postfix) -> Pattern:
        """Hand in one message, wait until its relay refused it, and take its files."""
        done = postfix.run(
            "sendmail", "-i", "-f", SENDER, address(0), input=BODY.encode()
        )
        assert done.returncode == 0, done.stderr
        deferred = postfix.queue_dir / "deferred"
        deadline = time.monotonic() + _PATIENCE
        while not (found := [p for p in deferred.rglob("*") if p.is_file()]):
            assert time.monotonic() < deadline, postfix.log()
            time.sleep(0.05)
        name = found[0].name
        logs = [p for p in (postfix.queue_dir / "defer").rglob(name) if p.is_file()]
        pattern = cls(message=found[0].read_bytes(), log=logs[0].read_bytes())
        assert address(0).encode() in pattern.message
        return pattern

    def of(self, number: int) -> tuple[bytes, bytes]:
        """Return message and log of recipient *number*: as long, so records hold."""
        old, new = address(0).encode(), address(number).encode()
        return self.message.replace(old, new), self.log.replace(old, new)


def fill_postfix(postfix: Postfix, pattern: Pattern, count: int) -> None:
    """Put *count* copies of *pattern* into the deferred queue of *postfix*.

    Names are Postfix's own: microseconds and inode, hashed by the first character.
    """
    user = shutil._get_uid("postfix")  # type: ignore[attr-defined]
    now = time.time()
    queues = [postfix.queue_dir / "deferred", postfix.queue_dir / "defer"]
    for queue in queues:
        for digit in "0123456789ABCDEF":
            made = queue / digit
            made.mkdir(mode=0o700, exist_ok=True)
            os.chown(made, user, -1)
    scratch = postfix.queue_dir / "deferred" / "new"
    for number in range(count):
        message, log = pattern.of(number)
        _write(scratch, message)
        name = f"{number * 7919 % 1_000_000:05X}{scratch.stat().st_ino:X}"
        final = queues[0] / name[0] / name
        scratch.rename(final)
        reason = queues[1] / name[0] / name
        _write(reason, log)
        for path, mode in ((final, 0o700), (reason, 0o600)):
            os.chmod(path, mode)
            os.chown(path, user, -1)
        os.utime(final, (now + DAY, now + DAY))


def sync() -> None:
    """Let what was made reach the disk, so that no measurement pays for it."""
    subprocess.run(("sync",), check=True)

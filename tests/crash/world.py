"""A spool on the simulated disk, what the world has seen of it, and what must hold.

The invariants carry the numbers of FORMAT.md; each is checked from the bytes on
the disk and the ledger alone, never from what the code under test believes.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.crash.explore import Violation
from tuiq.errors import MessageDamaged
from tuiq.mail.envelope import Envelope, Recipient
from tuiq.spool import control
from tuiq.spool.layout import QueueDirectory, is_queue_id, split_name

if TYPE_CHECKING:
    from tests.crash.explore import Ledger
    from tests.crash.simdisk import SimDisk
    from tests.crash.simfs import SimFs

UUID = "00000000-0000-4000-8000-000000000001"
QUEUE = "q.1"
BODY = b"Subject: test\r\n\r\n" + b"0123456789abcdef\r\n" * 40
"""Two sectors of data, so that a part of it can be lost."""


class SimClock:
    """The clock of a simulated disk."""

    def __init__(self, disk: SimDisk) -> None:
        self.disk = disk

    def now(self) -> float:
        """Return epoch seconds."""
        return self.disk.now_ns / 1e9

    def now_ns(self) -> int:
        """Return epoch nanoseconds."""
        return self.disk.now_ns

    def boottime(self) -> float:
        """Return seconds since boot."""
        return self.disk.now_ns / 1e9


def make_spool(fs: SimFs, *, split: bool = True) -> None:
    """Make the directories of a spool; *split*: with qf/, df/ and xf/."""
    for path in (QUEUE, "drop", "reject", "pauses", "run"):
        fs.disk.mkdir(path)
    if split:
        for prefix in ("qf", "df", "xf"):
            fs.disk.mkdir(f"{QUEUE}/{prefix}")


def open_queue(fs: SimFs, name: str = QUEUE) -> QueueDirectory:
    """Open a queue directory as the shipped code would."""
    top = fs.disk.lookup(name)

    def sub(prefix: str) -> int:
        return fs.opendir(f"{name}/{prefix}" if prefix in top.entries else name)

    return QueueDirectory(
        name=name,
        path=Path("/sim") / name,
        uuid=UUID,
        uid=0,
        gid=0,
        fs=fs,
        top_fd=fs.opendir(name),
        qf_fd=sub("qf"),
        df_fd=sub("df"),
        xf_fd=sub("xf"),
    )


def envelope(*addresses: bytes, sender: bytes = b"from@example.com") -> Envelope:
    """Return an envelope for *addresses*."""
    recipients = tuple(Recipient(address=address) for address in addresses)
    return Envelope(sender=sender, recipients=recipients, uid=0, via=b"api")


@dataclass(frozen=True, slots=True)
class Stored:
    """A control file as found on the disk."""

    queue_id: str
    header: control.Header
    raw: bytes
    body: bytes | None
    """Its data; None = no data file."""
    reasons: bytes
    """Content of its bounce file."""

    @property
    def mstate(self) -> bytes:
        """Return MSTATE."""
        return self.raw[control.MSTATE : control.MSTATE + 1]

    @property
    def states(self) -> bytes:
        """Return the recipients' states."""
        return control.column_of(self.header.count, self.raw, control.S_STATE)

    @property
    def requests(self) -> bytes:
        """Return the recipients' requests."""
        return control.column_of(self.header.count, self.raw, control.S_REQUEST)

    @property
    def request(self) -> bytes:
        """Return MREQ."""
        return self.raw[control.MREQ : control.MREQ + 1]

    @property
    def hold(self) -> bytes:
        """Return MHOLD."""
        return self.raw[control.MHOLD : control.MHOLD + 1]

    @property
    def origin(self) -> bytes:
        """Return the kind of origin."""
        return self.header.origin.rstrip()

    def whole(self) -> bool:
        """Return whether the data is there as it was submitted."""
        return (
            self.body is not None
            and len(self.body) == self.header.data_length
            and zlib.crc32(self.body) == self.header.data_crc
        )


def names(disk: SimDisk, queue: str = QUEUE) -> dict[str, int]:
    """Return all names in a queue directory, with their inodes."""
    top = disk.lookup(queue).entries
    found = dict(top)
    for prefix in ("qf", "df", "xf"):
        if prefix in top:
            found |= disk.inodes[top[prefix]].entries
    return found


def stored(disk: SimDisk, queue: str = QUEUE) -> dict[str, Stored]:
    """Return every message of a queue directory; a bad file breaks invariant 11."""
    entries = names(disk, queue)

    def data(name: str) -> bytes | None:
        return disk.inodes[entries[name]].data if name in entries else None

    found = {}
    for name in entries:
        if name[:2] != "qf" or not is_queue_id(name[2:]):
            continue
        raw = data(name) or b""
        try:
            header = control.decode_header(raw, name)
            control.check_body(header, raw, name)
        except MessageDamaged as error:
            raise Violation("11 BAD_FILE", str(error)) from None
        queue_id = name[2:]
        found[queue_id] = Stored(
            queue_id, header, raw, data("df" + queue_id), data("bf" + queue_id) or b""
        )
    return found


# -- invariants -------------------------------------------------------------------


def check_bodies(disk: SimDisk) -> None:
    """2: a live message has its data, whole."""
    for message in stored(disk).values():
        if message.mstate == b"Q" and not message.whole():
            length = "no" if message.body is None else str(len(message.body))
            raise Violation(
                "2 LIVE_WITHOUT_BODY", f"{message.queue_id}: {length} bytes"
            )


def check_kept(disk: SimDisk, ledger: Ledger) -> None:
    """1: what was acknowledged is there, or every recipient's end is known."""
    messages = stored(disk)
    for queue_id, addresses in ledger.all("acknowledged"):
        assert isinstance(queue_id, str)
        assert isinstance(addresses, tuple)
        message = messages.get(queue_id)
        if message is not None and message.mstate == b"Q":
            continue
        missing = [
            address
            for index, address in enumerate(addresses)
            if not ended(ledger, queue_id, index)
            and not was_reported(messages, ledger, queue_id, address)
        ]
        if missing:
            raise Violation("1 LOST", f"{queue_id}: {missing}")


def ended(ledger: Ledger, queue_id: str, index: int) -> bool:
    """Say whether a recipient got the mail, or an operator ended it.

    The journal line about a cancelled recipient may get lost with the process that
    cancelled it; that an operator asked for it is enough here.
    """
    if any(("asked", verb) in ledger.events for verb in ("purge", "delivered")):
        return True
    kinds = ("delivered", "cancelled")
    return any((kind, queue_id, index) in ledger.events for kind in kinds)


def was_reported(
    messages: dict[str, Stored], ledger: Ledger, queue_id: str, address: bytes
) -> bool:
    """Say whether a notice about a recipient lies in the queue or was delivered."""
    texts = [data for ref, data in ledger.all("notice") if ref == queue_id]
    texts += [
        message.body
        for message in messages.values()
        if message.header.reference == queue_id.encode()
        and message.mstate == b"Q"
        and message.whole()
    ]
    return any(isinstance(text, bytes) and address in text for text in texts)


def check_reported(disk: SimDisk, ledger: Ledger) -> None:
    """7: B is a failure whose notice lies in the queue or was delivered."""
    messages = stored(disk)
    for message in messages.values():
        recipients = control.decode_recipients(message.header, message.raw)
        for index, state in enumerate(message.states):
            if state == ord("B") and not was_reported(
                messages, ledger, message.queue_id, recipients[index].address
            ):
                at = f"{message.queue_id}: recipient {index}"
                raise Violation("7 UNREPORTED", at)


def check_delivered(disk: SimDisk, ledger: Ledger) -> None:
    """6: D is a 2xx that was seen.  7: F and B have a reason.  23: U had a dot."""
    for message in stored(disk).values():
        for index, state in enumerate(message.states):
            at = (message.queue_id, index)
            if state == ord("D") and ("delivered", *at) not in ledger.events:
                raise Violation("6 FALSE_DELIVERED", f"{at}")
            if state == ord("U") and ("dot", *at) not in ledger.events:
                raise Violation("23 FALSE_DOUBT", f"{at}")
            if state == ord("F") and b"\n%d " % index not in b"\n" + message.reasons:
                raise Violation("7 NO_REASON", f"{at}")


def check_duplicates(disk: SimDisk, ledger: Ledger) -> None:
    """4, 5, 23: nobody gets mail twice unless the journal calls it possible, or the
    power went before the verdict was synced."""
    for at in dict.fromkeys(ledger.all("delivered")):
        taken, allowed, firm = 0, 1, False
        for event in ledger.events:
            if event == ("delivered", *at):
                taken, firm = taken + 1, False
            allowed += event == ("possible duplicate", *at)
            allowed += event == ("power loss",) and taken > 0 and not firm
            firm |= event == ("synced", at[0]) and taken > 0
        if taken > allowed:
            raise Violation("4 DUPLICATE", f"{at}: {taken} times, {allowed} allowed")


def attempts_after(
    ledger: Ledger, event: tuple[object, ...]
) -> list[tuple[object, ...]]:
    """Return the attempts noted after *event*, those of notices left out; none when
    it never happened."""
    if event not in ledger.events:
        return []
    later = ledger.events[ledger.events.index(event) + 1 :]
    mail = {queue_id for queue_id, _ in ledger.all("acknowledged")}
    return [e[1:] for e in later if e[0] == "attempt" and e[1] in mail]


def check_tidy(disk: SimDisk) -> None:
    """16: after recovery no tf, and nothing without its control file."""
    found = {parts for name in names(disk) if (parts := split_name(name))}
    for prefix, queue_id in found:
        if prefix == "tf" or (prefix != "qf" and ("qf", queue_id) not in found):
            raise Violation("16 ORPHAN", prefix + queue_id)


def check_crashed(disk: SimDisk, ledger: Ledger) -> None:
    """Check what holds in every state whatsoever."""
    check_bodies(disk)
    check_kept(disk, ledger)
    check_reported(disk, ledger)
    check_delivered(disk, ledger)
    check_duplicates(disk, ledger)


def check_recovered(disk: SimDisk, ledger: Ledger) -> None:
    """Check what holds once recovery is through."""
    check_crashed(disk, ledger)
    check_tidy(disk)

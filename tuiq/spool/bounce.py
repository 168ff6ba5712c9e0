"""Sequence B: failures are reported to the sender before they are marked so.

A notice's queue id follows from the message and the exact set of recipients
reported: a crash between the submission and the B bytes makes no second one
while the first is still queued, and a notice never stands for a failure that
came after it.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiq.errors import MessageBusy, SpoolUnavailable
from tuiq.mail import dsn
from tuiq.mail.dsn import Kind
from tuiq.spool import control, journal, texts
from tuiq.spool.control import Origin
from tuiq.spool.finish import remove_withdrawn
from tuiq.spool.flags import Notice, RState
from tuiq.spool.fs import pread_all
from tuiq.spool.layout import base32_bytes, make_id
from tuiq.spool.orphans import discard_orphan, has_control
from tuiq.spool.submit import Draft, submit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiq.spool.claim import Claim
    from tuiq.spool.layout import QueueDirectory
    from tuiq.spool.site import Site


def is_reportable(claim: Claim, site: Site) -> bool:
    """Say whether unreported failures have somebody they can be reported to."""
    if RState.FAILED[0] not in claim.states:
        return False
    return _addressee(claim, site) is not None


def _addressee(claim: Claim, site: Site) -> bytes | None:
    """Return who gets the notice; None when nobody can (RFC 5321 §6.1)."""
    envelope = claim.envelope()
    if envelope.sender:
        return envelope.sender
    postmaster = site.config.bounce.postmaster.encode()
    if not postmaster or any(r.address == postmaster for r in envelope.recipients):
        return None
    return postmaster


def report_failures(claim: Claim, site: Site) -> str | None:
    """Report every failed recipient in one notice, then write B, durably.

    Returns the notice's queue id, None when none was needed or possible.
    Raises SpoolUnavailable when it cannot be stored; the F bytes stay.
    """
    failed = claim.indexes(RState.FAILED)
    if not failed:
        return None
    addressee = _addressee(claim, site)
    if addressee is None:
        return None
    told = [
        index
        for index, recipient in zip(failed, claim.recipients(failed), strict=True)
        if dsn.wants_failure(recipient)
    ]
    notice = None
    if told:
        notice = _send(claim, site, Kind.FAILED, told, addressee)
    claim.mark(failed, RState.BOUNCED)
    claim.sync()
    return notice


def send_delay_notice(claim: Claim, site: Site) -> None:
    """Tell the sender that recipients are late; once per message."""
    sender = claim.envelope().sender
    todo = claim.indexes(RState.TODO)
    late = [
        index
        for index, recipient in zip(todo, claim.recipients(todo), strict=True)
        if dsn.wants_delay(recipient)
    ]
    if sender and late:
        _send(claim, site, Kind.DELAYED, late, sender)
    claim.put(control.NOTICE, Notice.WARNED.value)
    claim.sync()


def send_relayed_notice(claim: Claim, site: Site, indexes: Sequence[int]) -> None:
    """Tell the sender who asked for it that a next hop without DSN took mail."""
    sender = claim.envelope().sender
    if sender and indexes:
        _send(claim, site, Kind.RELAYED, indexes, sender)


def notice_id(claim: Claim, kind: Kind, indexes: Sequence[int]) -> str:
    """Return the queue id of the notice about exactly these recipients."""
    digest = hashlib.sha256(f"{claim.queue_id} {kind.value} ".encode())
    digest.update(b",".join(b"%d" % index for index in indexes))
    return make_id(claim.header.birth_us + 1, base32_bytes(digest.digest()))


def _send(
    claim: Claim, site: Site, kind: Kind, indexes: Sequence[int], addressee: bytes
) -> str:
    queue_id = notice_id(claim, kind, indexes)
    report = _report(claim, site, kind, indexes, addressee, queue_id)
    draft = Draft(
        envelope=dsn.envelope(report),
        data=(dsn.build(report),),
        birth_us=site.clock.now_ns() // 1000,
        queue_id=queue_id,
        origin=Origin.DSN,
        reference=claim.queue_id.encode(),
    )
    _submit_once(claim.directory, draft, queue_id)
    site.recorder.record(
        _EVENTS[kind],
        claim.queue_id,
        recipients=[(r.index, r.address) for r in _numbered(claim, indexes)],
        relay=queue_id,
    )
    return queue_id


_EVENTS = {
    Kind.FAILED: journal.Kind.BOUNCED,
    Kind.DELAYED: journal.Kind.DELAY_NOTICE,
    Kind.RELAYED: journal.Kind.RELAYED_NOTICE,
}


@dataclass(frozen=True, slots=True)
class _Numbered:
    index: int
    address: bytes
    orcpt: bytes


def _numbered(claim: Claim, indexes: Sequence[int]) -> list[_Numbered]:
    pairs = zip(indexes, claim.recipients(indexes), strict=True)
    return [_Numbered(index, r.address, r.orcpt) for index, r in pairs]


def _report(
    claim: Claim,
    site: Site,
    kind: Kind,
    indexes: Sequence[int],
    addressee: bytes,
    queue_id: str,
) -> dsn.Report:
    host = site.config.submission.hostname.encode()
    envelope = claim.envelope()
    data = _original(claim)
    header, _, _ = data.partition(b"\r\n\r\n")
    whole = envelope.ret == b"FULL" and len(data) == claim.header.data_length
    expiry = claim.base + site.config.retry.lifetime
    return dsn.Report(
        kind=kind,
        queue_id=claim.queue_id,
        to=addressee,
        from_address=b"MAILER-DAEMON@" + host,
        reporting_mta=host,
        arrival=claim.birth,
        date=site.clock.now(),
        message_id=b"<%b@%b>" % (queue_id.encode(), host),
        boundary=b"tuiq-" + queue_id.encode(),
        recipients=_reported(claim, kind, indexes),
        header=header + b"\r\n",
        original=data if whole else None,
        envid=envelope.envid,
        ret=envelope.ret,
        retry_until=expiry if kind is Kind.DELAYED else None,
    )


def _reported(
    claim: Claim, kind: Kind, indexes: Sequence[int]
) -> tuple[dsn.ReportedRecipient, ...]:
    """Return what bf (failures) or xf (delays) says about each recipient."""
    prefix = "bf" if kind is Kind.FAILED else "xf"
    lines = texts.read(claim.directory, prefix, claim.queue_id)
    last = claim.number(control.LAST, 8)
    reported = []
    for numbered in _numbered(claim, indexes):
        line = lines.get(numbered.index)
        code, status = _slot_reply(claim, numbered.index)
        if line is not None:
            code, _, status = line.code.partition(b"-")
        text = line.text if line is not None else b""
        reported.append(
            dsn.ReportedRecipient(
                address=numbered.address,
                orcpt=numbered.orcpt,
                status=status,
                diagnostic=b" ".join(filter(None, (code, status, text))),
                last_attempt=float(line.time if line else last) or None,
            )
        )
    return tuple(reported)


def _slot_reply(claim: Claim, index: int) -> tuple[bytes, bytes]:
    at = control.slot_at(index)
    slot = bytes(claim.buffer[at : at + control.SLOT])
    return (
        slot[control.S_CODE : control.S_STATUS].strip(),
        slot[control.S_STATUS : control.S_HEAP].strip(),
    )


def _original(claim: Claim) -> bytes:
    """Return the start of the data; empty when the data file is gone."""
    directory = claim.directory
    try:
        fd = directory.fs.open(
            "df" + claim.queue_id, os.O_RDONLY, dir_fd=directory.df_fd
        )
    except FileNotFoundError:
        return b""
    try:
        return pread_all(directory.fs, fd, dsn.MAX_RETURNED, 0)
    finally:
        directory.fs.close(fd)


def _submit_once(directory: QueueDirectory, draft: Draft, queue_id: str) -> None:
    """Submit unless that notice exists; what a crash left of it is swept away."""
    for _ in range(2):
        if _is_made(directory, queue_id):
            return
        try:
            submit(directory, draft)
        except FileExistsError:
            for prefix in ("tf", "df"):
                discard_orphan(directory, prefix, queue_id)
        else:
            return
    raise SpoolUnavailable(
        f"{directory.path}: {queue_id}: a notice is being written by somebody else; "
        "it is tried again"
    )


def _is_made(directory: QueueDirectory, queue_id: str) -> bool:
    """Say whether a notice was submitted before; if so its name is durable now.

    Asked before any submission: a control file must never be renamed over the rest
    of one that was withdrawn, whose remover would take the new one with it.
    """
    try:
        if not has_control(directory, queue_id) or remove_withdrawn(
            directory, queue_id
        ):
            return False
    except MessageBusy as error:
        raise SpoolUnavailable(str(error)) from None
    # Whoever submitted it may have died before its own sync.
    directory.fs.fsync(directory.qf_fd)
    return True

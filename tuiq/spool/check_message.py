"""Checks one message: its control file, its data, its state."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiq.errors import MessageDamaged, UnknownFormat
from tuiq.spool import control, mend
from tuiq.spool.check_place import CheckedPlace, unreadable
from tuiq.spool.finding import Finding, Kind
from tuiq.spool.flags import MState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

POISON = 5
"""Claims without a verdict from which on a message counts as dangerous."""


def check_message(
    place: CheckedPlace, queue_id: str, path: Path, live: set[str]
) -> Iterator[Finding]:
    """Yield what is wrong with the message of control file *path*.

    Adds its id to *live* when it is sound and its MSTATE is Q.
    """
    checked = _Checked(place=place, queue_id=queue_id, path=path)
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return
    except OSError as error:
        yield unreadable(path, error)
        return
    trouble = checked.trouble(raw)
    if trouble is not None:
        yield trouble
        return
    if raw[control.MSTATE : control.MSTATE + 1] == MState.QUEUED:
        live.add(queue_id)
    yield from checked.sound(raw)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checked:
    """One control file under examination."""

    place: CheckedPlace
    queue_id: str
    path: Path

    def trouble(self, raw: bytes) -> Finding | None:
        """Return why the control file cannot be used, None when it is sound."""
        try:
            header = control.decode_header(raw, str(self.path))
            control.check_body(header, raw, str(self.path))
        except UnknownFormat as error:
            if raw[:6] == control.MAGIC[:6] and raw[:8] != control.MAGIC:
                return Finding(
                    kind=Kind.UNKNOWN_VERSION,
                    path=str(self.path),
                    reason=error.reason,
                    remedy=error.remedy,
                )
            return self._rejectable(Kind.NOT_CONTROL_FILE, error.reason)
        except MessageDamaged as error:
            return self._rejectable(Kind.DAMAGED, error.reason)
        if header.queue_id != self.queue_id:
            return self._rejectable(Kind.DAMAGED, f"says it is {header.queue_id}")
        return None

    def _rejectable(self, kind: Kind, reason: str) -> Finding:
        return Finding(
            kind=kind,
            path=str(self.path),
            reason=reason,
            remedy="nothing is delivered from it; keep it for a look by hand "
            f"(--repair: moved to {self.place.spool}/reject with its data)",
            repair=self._reject,
        )

    def _reject(self) -> str:
        homes = [self.place.home(p) / (p + self.queue_id) for p in ("df", "bf", "xf")]
        return mend.reject_message(self.place.spool, self.path, homes)

    def sound(self, raw: bytes) -> Iterator[Finding]:
        """Check the state of a message whose control file is in order."""
        mstate = raw[control.MSTATE : control.MSTATE + 1]
        if mstate in (MState.PENDING, MState.MOVED):
            yield self._move_unfinished(mstate)
        if mstate not in (MState.QUEUED, MState.CORRUPT):
            return
        without_data = self._data(control.decode_header(raw, str(self.path)))
        if without_data is not None:
            yield without_data
        elif mstate == MState.CORRUPT:
            yield Finding(
                kind=Kind.MARKED_CORRUPT,
                path=str(self.path),
                reason="was refused by a runner and waits for a person",
                remedy="look at it with tuiq show, then tuiq requeue or tuiq delete it",
            )
        opened = control.hex_field(raw, control.OPENED, 1)
        if opened >= POISON:
            yield Finding(
                kind=Kind.RUNNER_DIED,
                path=str(self.path),
                reason=f"its runner died {opened} times while it had this message",
                remedy=f"tuiq hold {self.queue_id}, then see what happened: "
                f"tuiq trace {self.queue_id}",
            )

    def _data(self, header: control.Header) -> Finding | None:
        data = self.place.home("df") / ("df" + self.queue_id)
        try:
            length = data.lstat().st_size
        except FileNotFoundError:
            if not self._is_live():
                return None
            return self._rejectable(Kind.NO_DATA, f"its data file {data} is missing")
        if length == header.data_length:
            return None
        return self._rejectable(
            Kind.WRONG_DATA_LENGTH,
            f"its data file {data} has {length} bytes instead of {header.data_length}",
        )

    def _is_live(self) -> bool:
        """Look again: it may be finished by now, its data gone or about to go."""
        try:
            with mend.opened(self.path) as (fd, _):
                mstate = os.pread(fd, 1, control.MSTATE)
        except FileNotFoundError:
            return False
        return mstate in (MState.QUEUED, MState.CORRUPT)

    def _move_unfinished(self, mstate: bytes) -> Finding:
        what = (
            "is a copy that a move has not activated"
            if mstate == MState.PENDING
            else "was moved away and not removed yet"
        )
        return Finding(
            kind=Kind.MOVE_UNFINISHED,
            path=str(self.path),
            reason=what,
            remedy="it is never delivered from here; make sure that all queue "
            "directories are mounted, then run tuiq check again",
        )

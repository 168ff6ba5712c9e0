"""Export as JSON lines, with the members of ``tuiq mailq --json``."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from textual.widgets import Input, Static

from tuiq.actions.circumstances import look_around
from tuiq.actions.listed import list_entry
from tuiq.actions.lookup import entry_of
from tuiq.actions.mail_json import message_json
from tuiq.actions.words import plural, volume
from tuiq.log import printable
from tuiq.tui.dialog import Dialog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.app import ComposeResult

    from tuiq.spool.spool import Spool
    from tuiq.tui.operate.job import Job, Then
    from tuiq.tui.page import Subject
    from tuiq.tui.shell import Shell

_BUFFER = 256 * 1024


def default_path(now: float) -> str:
    """Return a name that sorts by time."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(now))
    return f"~/tuiq-export-{stamp}.jsonl"


class ExportDialog(Dialog[Path]):
    """Asks for a file that is not there yet."""

    def __init__(self, subject: Subject, path: str) -> None:
        """Offer *path*."""
        self._scope = f"{subject.scope}: {plural(subject.count, 'message')}"
        self._path = path
        hints = [("enter", "writes it"), ("escape", "leaves")]
        super().__init__("Export as JSON lines", hints=hints, classes="-wide")

    def body(self) -> ComposeResult:
        """Show what is written, and ask where to."""
        yield Static(self._scope, markup=False)
        yield Static("\nInto a new file, which only you may read:", markup=False)
        yield Input(self._path, id="path")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Answer, unless something is there already."""
        event.stop()
        written = event.value.strip()
        path = Path(os.path.expanduser(written))
        if not written or not path.is_absolute():
            self.complain("Give a whole path: /… or ~/…")
        elif os.path.lexists(path):
            self.complain("There is something of that name; choose another.")
        elif not path.parent.is_dir():
            self.complain(f"There is no directory {printable(str(path.parent))}.")
        else:
            self.dismiss(path)


class Exporting:
    """The command export."""

    def __init__(self, shell: Shell, then: Then) -> None:
        """Ask through *shell*; *then* is called in the job's thread."""
        self._shell = shell
        self._then = then

    def perform(self, subject: Subject) -> None:
        """Ask for the file, then write."""
        world = self._shell.world
        dialog = ExportDialog(subject, default_path(world.clock.now()))

        def answered(path: Path | None) -> None:
            if path is not None:
                world.jobs.aside(
                    "export",
                    f"{subject.scope} to {path}",
                    lambda job: write(job, world.spool, subject, path),
                    of=subject.count,
                    then=self._then,
                )

        self._shell.ask(dialog, answered)


def write(job: Job, spool: Spool, subject: Subject, path: Path) -> None:
    """Write *subject* to the new file *path*; raise OSError, TuiqError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    written = 0
    with open(os.open(path, flags, 0o600), "w", _BUFFER, encoding="ascii") as file:
        for line in _lines(job, spool, subject):
            written += 1
            file.write(line)
        length = file.tell()
    job.stopped = job.done < job.of
    missing = f", {job.done - written:,} gone since" if job.done > written else ""
    stopped = f"; stopped, {job.of - job.done:,} are missing" if job.stopped else ""
    what = plural(written, "message")
    where = printable(str(path))
    job.note = f"exported {what} ({volume(length)}) to {where}{missing}{stopped}"


def _lines(job: Job, spool: Spool, subject: Subject) -> Iterator[str]:
    around = look_around(spool)
    for queue_id, slots in subject.picks:
        if job.stopping:
            return
        job.done += 1
        entry = entry_of(spool, queue_id)
        if entry is None:
            continue
        directory = spool.directory(entry.directory)
        listed = list_entry(directory, entry, around.state(entry))
        if slots is not None:
            views = [v for v in entry.recipients() if v.index in slots]
            listed = replace(listed, recipients=views)
        yield message_json(around, listed)

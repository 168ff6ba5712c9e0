"""``tuiq check``: look the spool over; ``--repair`` mends what can be mended safely.

Exit status 0: nothing is wrong, or all of it was repaired; 75: findings remain.
Notes (where ``sendmail`` leads on this host) do not count.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tuiq.actions.json_text import json_line
from tuiq.actions.words import plural
from tuiq.cli.diagnostics import ExitCode, describe
from tuiq.clock import SystemClock
from tuiq.errors import SpoolError
from tuiq.log import printable
from tuiq.spool.check import check_spool
from tuiq.spool.finding import Finding, Kind

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from tuiq.config import Config

SENDMAIL_PATHS = (Path("/usr/sbin/sendmail"), Path("/usr/lib/sendmail"))
"""Where programs look for sendmail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A finding and what became of it."""

    finding: Finding
    done: str = ""
    """What the repair did; empty when there was none."""
    failed: str = ""
    """Why the repair did not work; empty when it did or was not asked for."""


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``tuiq check``."""
    parser.add_argument(
        "--repair", action="store_true", help="mend what can be mended; deletes no mail"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(args: argparse.Namespace, config_loader: Callable[[], Config]) -> int:
    """Check, repair if asked to, and report."""
    config = config_loader()
    remaining = count = 0
    findings = [*check_spool(config, SystemClock()), *check_sendmail(SENDMAIL_PATHS)]
    for finding in findings:
        outcome = repair(finding) if args.repair else Outcome(finding=finding)
        count += not finding.is_note
        remaining += not outcome.done and not finding.is_note
        print(as_json(outcome) if args.json else as_text(outcome))
    if not args.json:
        print(_summary(config.spool_path, count, remaining))
    return ExitCode.TEMPFAIL if remaining else ExitCode.OK


def repair(finding: Finding) -> Outcome:
    """Mend one finding, if it can be."""
    if finding.repair is None:
        return Outcome(finding=finding)
    try:
        return Outcome(finding=finding, done=finding.repair())
    except (OSError, SpoolError) as error:
        return Outcome(finding=finding, failed=describe(error))


def as_text(outcome: Outcome) -> str:
    """Return the one line of a finding."""
    prefix = "note: " if outcome.finding.is_note else ""
    line = printable(f"{prefix}{outcome.finding.kind}: {outcome.finding}")
    if outcome.done:
        return f"{line} [repaired: {printable(outcome.done)}]"
    if outcome.failed:
        return f"{line} [not repaired: {printable(outcome.failed)}]"
    return line


def as_json(outcome: Outcome) -> str:
    """Return a finding as a JSON line; the README documents the members."""
    finding = outcome.finding
    return json_line(
        {
            "class": finding.kind.value,
            "note": finding.is_note,
            "path": finding.path,
            "reason": finding.reason,
            "remedy": finding.remedy,
            "repairable": finding.repair is not None,
            "repaired": outcome.done or None,
            "failed": outcome.failed or None,
        }
    )


def _summary(spool: Path, count: int, remaining: int) -> str:
    if not count:
        return printable(f"{spool}: nothing wrong")
    repaired = count - remaining
    done = f", {repaired:,} repaired" if repaired else ""
    return printable(f"{spool}: {plural(count, 'finding')}{done}, {remaining:,} left")


def check_sendmail(paths: tuple[Path, ...]) -> Iterator[Finding]:
    """Report where programs that call sendmail put their mail, if not into tuiq."""
    reported: set[Path] = set()
    for path in paths:
        target = path.resolve()
        if target in reported or not os.path.lexists(path) or is_ours(path):
            continue
        reported.add(target)
        leads = f"leads to {target}, which" if target != path else ""
        yield Finding(
            kind=Kind.SENDMAIL,
            path=printable(str(path)),
            reason=printable(f"{leads} is not tuiq's".lstrip()),
            remedy="programs on this host queue their mail elsewhere; if they should "
            "use tuiq, make it a symlink to tuiq-sendmail",
        )
    if not any(os.path.lexists(path) for path in paths):
        yield Finding(
            kind=Kind.SENDMAIL,
            path=str(paths[0]),
            reason="does not exist, so programs that call sendmail fail",
            remedy=f"tuiq-sendmail --install {paths[0]}",
        )


def is_ours(path: Path) -> bool:
    """Say whether a command is tuiq: by its name, or a script that calls it."""
    target = path.resolve()
    if target.name in ("tuiq", "tuiq-sendmail"):
        return True
    try:
        with target.open("rb") as file:
            return b"tuiq" in file.read(4096)
    except OSError:
        return False

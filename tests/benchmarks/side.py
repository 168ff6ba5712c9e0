"""Side by side: what every benchmark here needs to compare tuiq with Postfix.

A benchmark makes one ``Report``, adds a ``Row`` per measurement (both sides in the
same run) and prints it: the machine, the versions, both durabilities, one table.
``--markdown`` prints what RESULTS.md holds.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuiq import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parents[2]
TUIQ: tuple[str, ...] = (sys.executable, "-m", "tuiq")
"""The command ``tuiq``, as its own process; run it with ``cwd=ROOT``."""
POSTFIX_DURABILITY = (
    "Postfix: accepted mail is synced (fsync of each queue file); marks of delivery "
    "and removals are not synced"
)
_MISSING = "–"


# -- the table -----------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measurement of both sides."""

    what: str
    unit: str
    """Such as ``messages/s``, ``s`` or ``MiB``."""
    tuiq: float
    peer: float | None = None
    """None: there is nothing to compare with."""
    target: float | None = None
    """The ratio that is wanted."""
    less_is_better: bool = False
    """For times and sizes: the ratio is then peer / tuiq."""
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times better tuiq is; None without a peer."""
        if not self.tuiq or not self.peer:
            return None
        ratio = self.tuiq / self.peer
        return 1 / ratio if self.less_is_better else ratio

    def cells(self) -> list[str]:
        ratio = self.ratio
        shown = _MISSING if ratio is None else f"{ratio:.2f}×"
        target = _MISSING if self.target is None else f"≥ {self.target:g}×"
        if self.target is not None and ratio is not None:
            target += " met" if ratio >= self.target else " MISSED"
        peer = _MISSING if self.peer is None else figure(self.peer)
        what = f"{self.what} ({self.unit})" if self.unit else self.what
        return [what, figure(self.tuiq), peer, shown, target, self.note]


def figure(value: float) -> str:
    """Three significant digits, thousands separated."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


@dataclass(slots=True, kw_only=True)
class Report:
    """One benchmark's table and what has to be known to judge it."""

    title: str
    where: Path
    """Where the spools lie: its file system is the one that is measured."""
    peer: str = "Postfix"
    durability: tuple[str, ...] = (
        'tuiq: accepted mail is synced; durability = "group" for marks of delivery',
        POSTFIX_DURABILITY,
    )
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, row: Row) -> None:
        """Add a measurement, and tell it at once on stderr: benchmarks are long."""
        self.rows.append(row)
        print("  ".join(cell for cell in row.cells() if cell), file=sys.stderr)

    def text(self, *, markdown: bool = False) -> str:
        heads = ["what", "tuiq", self.peer, "ratio", "target", ""]
        table = [heads, *(row.cells() for row in self.rows)]
        if not any(row[-1] for row in table):
            table = [row[:-1] for row in table]
        facts = [
            f"{time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC",
            machine(self.where),
            versions(),
            *self.durability,
            *self.notes,
        ]
        if markdown:
            listed = [f"- {fact}" for fact in facts]
            return "\n".join((f"## {self.title}", "", *listed, "", *_markdown(table)))
        return "\n".join((self.title, *facts, "", *_plain(table)))

    def print(self, *, markdown: bool = False) -> None:
        print(self.text(markdown=markdown), flush=True)


def _markdown(table: Sequence[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(row) + " |" for row in table]
    aligned = ["---" if place in {0, 5} else "--:" for place in range(len(table[0]))]
    return [lines[0], "| " + " | ".join(aligned) + " |", *lines[1:], ""]


def _plain(table: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = []
    for row in table:
        cells = [
            cell.ljust(width) if place in {0, 5} else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


# -- the machine and the programs ------------------------------------------------


def machine(where: Path) -> str:
    """Cores, memory, kernel, and the file system that holds *where*."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    cores = len(os.sched_getaffinity(0))
    return (
        f"{cores} cores ({_processor()}), {memory:.0f} GiB RAM, "
        f"Linux {platform.release()}, spool on {file_system(where)}"
    )


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def file_system(where: Path) -> str:
    """Name type and mount options of the file system that holds *where*."""
    device = where.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text("utf-8").splitlines():
        left, _, right = line.partition(" - ")
        words = left.split()
        if words[2] == wanted:
            return f"{right.split()[0]} ({words[5]})"
    return "an unknown file system"


def versions() -> str:
    """Name the programs that are compared, and what runs them."""
    try:
        loop = f"uvloop {version('uvloop')} installed"
    except PackageNotFoundError:
        loop = "asyncio's own loop (no uvloop)"
    python = f"Python {platform.python_version()} ({_interpreter()})"
    return (
        f"tuiq {__version__}, {python}, {loop}, "
        f"Postfix {postfix_version() or 'not installed'}"
    )


def _interpreter() -> str:
    """Say how this Python was built: profiles make a quarter of its speed."""
    if Path(sys.executable).resolve().parent == Path("/usr/bin"):
        return f"{platform.freedesktop_os_release()['NAME']}'s package"
    options = sysconfig.get_config_var("CONFIG_ARGS") or ""
    optimized = "--enable-optimizations" in options
    return f"built {'with' if optimized else 'without'} --enable-optimizations"


def postfix_version() -> str:
    """Return Postfix's version, empty when it is not installed."""
    command = shutil.which("postconf", path=_PATH)
    if command is None:
        return ""
    done = subprocess.run(
        (command, "-dh", "mail_version"), capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))


def require_postfix() -> None:
    """Install Debian's Postfix when it is missing, and say so; else end the run."""
    if shutil.which("postfix", path=_PATH) and shutil.which("smtp-sink", path=_PATH):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise SystemExit("Postfix is missing: apt-get install postfix, then again")
    print("Postfix is missing: apt-get install -y postfix", file=sys.stderr)
    question = "postfix postfix/main_mailer_type select No configuration\n"
    if shutil.which("debconf-set-selections"):
        subprocess.run(
            ("debconf-set-selections",), input=question, text=True, check=True
        )
    subprocess.run(
        ("apt-get", "install", "-y", "-q", "--no-install-recommends", "postfix"),
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        stdout=sys.stderr,
        check=True,
    )


# -- children ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a child took, from its start to its end."""

    seconds: float
    cpu: float
    """User and system seconds, of it and of its children that were waited for."""
    rss: int
    """Largest resident set in bytes, of the child or the largest of its own."""
    status: int
    """Exit status; negative: the signal that ended it."""
    stdout: bytes = b""


def measure(command: Sequence[str | Path], **popen: Any) -> Usage:
    """Run *command* to its end; its standard output goes into the answer.

    Give ``stdout=subprocess.DEVNULL`` (or a file) to keep a large one out of it.
    """
    with tempfile.TemporaryFile() as output:
        popen.setdefault("stdout", output)
        popen.setdefault("cwd", ROOT)
        began = time.perf_counter()
        process = subprocess.Popen(command, **popen)
        usage = reap(process, began)
        output.seek(0)
        written = output.read()
    return Usage(
        seconds=usage.seconds,
        cpu=usage.cpu,
        rss=usage.rss,
        status=usage.status,
        stdout=written,
    )


def reap(process: subprocess.Popen[Any], began: float) -> Usage:
    """Wait for a child that was started at *began* (perf_counter) and its rusage."""
    _, status, rusage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    return Usage(
        seconds=seconds,
        cpu=rusage.ru_utime + rusage.ru_stime,
        rss=rusage.ru_maxrss * 1024,
        status=process.returncode,
    )


# -- the command line ----------------------------------------------------------------


def arguments(
    about: str,
    argv: Sequence[str] | None = None,
    *,
    flags: Sequence[tuple[str, str]] = (),
    **numbers: tuple[int, int, str],
) -> argparse.Namespace:
    """Read a benchmark's command line: *numbers* are (default, small, help) each.

    *flags* are (name, help) of options without a value.

    ``--small`` is a quick look that proves the benchmark works; its figures mean
    nothing.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--small", action="store_true", help="a quick look only")
    parser.add_argument("--markdown", action="store_true", help="for RESULTS.md")
    parser.add_argument(
        "--where",
        type=Path,
        default=Path(tempfile.gettempdir()),
        help="directory on the file system to measure (default %(default)s)",
    )
    for name, text in flags:
        parser.add_argument("--" + name, action="store_true", help=text)
    for name, (default, small, text) in numbers.items():
        parser.add_argument(
            "--" + name.replace("_", "-"),
            type=int,
            metavar="N",
            help=f"{text} (default {default:,}, small {small:,})",
        )
    given = parser.parse_args(argv)
    for name, (default, small, _) in numbers.items():
        if getattr(given, name) is None:
            setattr(given, name, small if given.small else default)
    return given


@contextlib.contextmanager
def scratch(where: Path) -> Iterator[Path]:
    """Make a directory under *where* for the length of a benchmark."""
    made = Path(tempfile.mkdtemp(prefix="tuiq-bench-", dir=where))
    try:
        made.chmod(0o755)  # Postfix's own user passes through
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)

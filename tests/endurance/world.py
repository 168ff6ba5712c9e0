"""Real processes on a real disk: the spool, the runner, and a server that counts."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuiq.config import load
from tuiq.demo.server import read_log
from tuiq.mail.envelope import Envelope, Recipient
from tuiq.spool.setup import create_spool
from tuiq.spool.spool import Spool, open_spool
from tuiq.spool.trace import Record, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ROOT = Path(__file__).parents[2]
DEADLINE = 60.0
"""Seconds for anything that should take far less."""
PYTHON = [sys.executable]
TUIQ = [*PYTHON, "-m", "tuiq"]
SENDMAIL = [
    *PYTHON,
    "-c",
    "from tuiq.cli.sendmail import main; raise SystemExit(main())",
]
BODY = b"From: news@list.example\r\nSubject: news\r\n\r\nRead all about it.\r\n"
Pair = tuple[str, str]
"""Queue id and address: what must be delivered once."""


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Poll *condition* until it holds."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, f"waited too long for {what}"
        time.sleep(0.002)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One spool and how to run things on it."""

    path: Path

    @property
    def config_file(self) -> Path:
        return self.path / "tuiq.toml"

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "TUIQ_CONFIG": str(self.config_file),
            "PYTHONPATH": str(ROOT),
            "PYTHONHASHSEED": "0",
        }

    def open(self) -> Spool:
        """Open the spool in this process."""
        return open_spool(load(self.config_file))

    def configure(
        self, *, port: int, delivery: str = "", rest: str = "", workers: int = 1
    ) -> None:
        """Write the settings: a smarthost on *port*, and lines of TOML.

        One process is killed, traced and counted more easily than several.
        """
        self.config_file.write_text(
            f'[spool]\nqueues = "{self.path}/q.*"\n{rest}\n'
            f'[delivery]\nsmarthost = "127.0.0.1:{port}"\n{delivery}\n'
            f"[runner]\nmax_workers = {workers}\n"
        )

    def start(self, *command: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start a process on this spool."""
        return subprocess.Popen(command, env=self.environment, **options)

    def run(
        self, *command: str, given: bytes = b""
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a process on this spool to its end."""
        return subprocess.run(
            command,
            env=self.environment,
            input=given,
            capture_output=True,
            check=False,
            timeout=4 * DEADLINE,
        )

    def tuiq(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        """Run a ``tuiq`` command."""
        return self.run(*TUIQ, *words)

    def journal(self, *kinds: str) -> Iterator[Record]:
        """Yield the journal's events of *kinds*, oldest first."""
        marks = [b'"event":"%b"' % kind.encode() for kind in kinds]
        for line in (
            (self.path / "journal" / "delivery.jsonl").read_bytes().splitlines()
        ):
            if any(mark in line for mark in marks):
                record = parse(line)
                assert record is not None, line
                yield record


def make_world(path: Path, *, queues: int = 2) -> World:
    """Make a spool; it has no settings yet."""
    create_spool(path, queues=queues)
    return World(path=path)


def submit(spool: Spool, addresses: Sequence[str], data: bytes = BODY) -> str:
    """Submit one message; return its id."""
    recipients = tuple(Recipient(address=each.encode()) for each in addresses)
    envelope = Envelope(sender=b"news@list.example", recipients=recipients)
    return spool.submit(
        envelope,
        (data,),
        received=lambda queue_id: (
            b"Received: by x (tuiq) id %b\r\n" % queue_id.encode()
        ),
    )


@contextlib.contextmanager
def serving(log: Path, *options: str, script: str = "") -> Iterator[int]:
    """Run a scripted server in a process of its own; give its port.

    *script* is Python that makes its ``Script``, instead of options.
    """
    command = [*PYTHON, "-m", "tuiq.demo.server", "--log", str(log), *options]
    if script:
        code = (
            "import asyncio, pathlib\n"
            "from tuiq.demo.script import *\n"
            "from tuiq.demo.server import ScriptedServer, serve\n"
            f"script = {script}\n"
            f"log = pathlib.Path({str(log)!r})\n"
            "asyncio.run(serve(ScriptedServer(script, log=log, keep=False)))"
        )
        command = [*PYTHON, "-c", code]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def deliveries(log: Path) -> Counter[Pair]:
    """Count what the server took, by message and recipient."""
    if not log.exists():
        return Counter()
    return Counter(
        (entry["queue_id"], address)
        for entry in read_log(log)
        for address in entry["recipients"]
    )


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process the hard way and wait until it is gone."""
    process.send_signal(signal.SIGKILL)
    process.wait()


def connected(port: int) -> bool:
    """Say whether anybody has a connection to *port*, by the kernel's word."""
    wanted = f":{port:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        if words[2].endswith(wanted) and words[3] == "01":
            return True
    return False

"""A private Postfix, and Postfix's smtp-sink, as peers on 127.0.0.1.

The instance has its own configuration, queue, data and log below one folder and
is started and stopped by its own pid: the system's instance, running or not, is
never touched. Nothing ever leaves the machine: no DNS is asked, and mail that is
not told where to go is relayed to a port that refuses.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PATIENCE = 20.0
"""Seconds until something that has to happen counts as never happening."""

_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"
_PASSABLE = 0o711
"""Mode of the folders: Postfix's own user has to pass them."""
_SETTLED = 60.0
"""Seconds after which a file counts as written to the end."""

_MAIN = {
    "compatibility_level": "3.6",
    "inet_interfaces": "127.0.0.1",
    "inet_protocols": "ipv4",
    "myhostname": "peer.invalid",
    "mydestination": "",
    "mynetworks": "127.0.0.0/8",
    "relayhost": "[127.0.0.1]:1",
    "alias_maps": "",
    "alias_database": "",
    "local_recipient_maps": "",
    "smtpd_peername_lookup": "no",
    "smtp_dns_support_level": "disabled",
    "smtp_host_lookup": "native",
    "biff": "no",
}

# Postfix's own table without chroot and without the services of other packages.
_MASTER = """\
pickup     unix  n - n 60   1 pickup
cleanup    unix  n - n -    0 cleanup
qmgr       unix  n - n 300  1 qmgr
tlsmgr     unix  - - n 1000? 1 tlsmgr
rewrite    unix  - - n -    - trivial-rewrite
bounce     unix  - - n -    0 bounce
defer      unix  - - n -    0 bounce
trace      unix  - - n -    0 bounce
verify     unix  - - n -    1 verify
flush      unix  n - n 1000? 0 flush
proxymap   unix  - - n -    - proxymap
proxywrite unix  - - n -    1 proxymap
smtp       unix  - - n -    - smtp
relay      unix  - - n -    - smtp
showq      unix  n - n -    - showq
error      unix  - - n -    - error
retry      unix  - - n -    - error
discard    unix  - - n -    - discard
local      unix  - n n -    - local
virtual    unix  - n n -    - virtual
lmtp       unix  - - n -    - lmtp
anvil      unix  - - n -    1 anvil
scache     unix  - - n -    1 scache
postlog    unix-dgram n - n - 1 postlogd
"""


def missing() -> str:
    """Say why no Postfix can run here; empty when one can."""
    if os.geteuid() != 0:
        return "Postfix runs as root only"
    if shutil.which("postfix", path=_PATH) is None:
        return "Postfix (Debian package postfix) is absent"
    return ""


def require() -> None:
    """Skip the test where no Postfix can run."""
    if reason := missing():
        pytest.skip(reason)


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listened on just now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


def answers(port: int) -> bool:
    """Tell whether somebody listens on *port* of 127.0.0.1."""
    with contextlib.suppress(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port)).close()
        return True
    return False


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """Make a folder that every user can pass, with a short name, for a while."""
    with tempfile.TemporaryDirectory(prefix="peer") as name:
        path = Path(name)
        path.chmod(_PASSABLE)
        yield path


class Postfix:
    """A private instance: running between ``__enter__`` and ``__exit__``."""

    def __init__(
        self,
        where: Path,
        *,
        main: Mapping[str, str] | None = None,
        smtpd: Mapping[str, str] | None = None,
    ) -> None:
        """Write a configuration below *where*.

        *main* are settings of main.cf, *smtpd* those of the smtpd service alone.
        Postfix's own user has to pass every folder above *where*: pytest's are
        closed to it, ``folder()`` gives one that is not.
        """
        self.where = where
        self.port = free_port()
        self.config_dir = where / "etc"
        self.queue_dir = where / "queue"
        self.data_dir = where / "data"
        self.log_file = where / "maillog"
        for folder in (where, self.config_dir, self.queue_dir, self.data_dir):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(_PASSABLE)
        shutil.chown(self.data_dir, "postfix")
        closed = [str(folder) for folder in where.parents if not _passable(folder)]
        assert not closed, f"closed to Postfix's user: {', '.join(closed)}"
        self.main = {
            **_MAIN,
            "queue_directory": str(self.queue_dir),
            "data_directory": str(self.data_dir),
            "maillog_file": str(self.log_file),
            "maillog_file_prefixes": str(where),
            **(main or {}),
        }
        self._services = {self.port: dict(smtpd or {})}
        self.configure()

    def configure(self, **main: str) -> None:
        """Write the configuration, *main* changed; a start or reload reads it."""
        self.main.update(main)
        lines = [f"{name} = {value}\n" for name, value in self.main.items()]
        self._write("main.cf", "".join(lines))
        services = [_service(*service) for service in self._services.items()]
        self._write("master.cf", "".join(services) + _MASTER)

    def _write(self, name: str, text: str) -> None:
        path = self.config_dir / name
        path.write_text(text)
        # Postfix reads no file that somebody may still be writing to.
        before = time.time() - _SETTLED
        os.utime(path, (before, before))

    def listen(self, **options: str) -> int:
        """Add an smtpd with *options* of its own to the next start; give its port."""
        port = free_port()
        self._services[port] = options
        self.configure()
        return port

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    # -- commands --------------------------------------------------------------

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which Postfix's commands act on this instance."""
        return {**os.environ, "MAIL_CONFIG": str(self.config_dir)}

    def command(self, name: str) -> str:
        """Return the path of one of Postfix's commands."""
        path = shutil.which(name, path=_PATH)
        assert path is not None, f"{name} is absent"
        return path

    def run(
        self, command: str, *args: str, **popen: Any
    ) -> subprocess.CompletedProcess[bytes]:
        """Run one of Postfix's commands on this instance, to its end."""
        settings = {"capture_output": True, "env": self.environment, **popen}
        line = [self.command(command), *args]
        return subprocess.run(line, check=False, **settings)

    def log(self) -> str:
        """Return what the instance has logged so far."""
        if not self.log_file.exists():
            return ""
        return self.log_file.read_text(errors="backslashreplace")

    # -- life ------------------------------------------------------------------

    def start(self) -> None:
        """Start the instance, and wait until each smtpd answers."""
        # Its daemons live on: a pipe they inherit would never come to an end.
        with (self.where / "start").open("wb") as said:
            done = self.run(
                "postfix",
                "start",
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                capture_output=False,
            )
        assert done.returncode == 0, (self.where / "start").read_text()
        try:
            self._wait(lambda: all(map(answers, self._services)), PATIENCE)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the instance and all of its daemons; no matter if it never ran."""
        master = self._master()
        if master is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(master, signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                self._wait(lambda: not _alive(master), PATIENCE / 4)
            os.killpg(master, signal.SIGKILL)
            self._wait(lambda: not _alive(master), PATIENCE)

    def reload(self) -> None:
        """Make the instance read its configuration again."""
        assert self.run("postfix", "reload").returncode == 0, self.log()

    def _master(self) -> int | None:
        """Return the pid, and process group, of the instance if it runs."""
        try:
            pid = int((self.queue_dir / "pid" / "master.pid").read_text())
            name = Path(f"/proc/{pid}/comm").read_text().strip()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return pid if name == "master" else None

    def _wait(self, condition: Callable[[], bool], patience: float) -> None:
        """Wait for *condition*; raise TimeoutError, with the log, when in vain."""
        if not _comes(condition, patience):
            raise TimeoutError(f"Postfix in {self.where}: {self.log()}")


@contextlib.contextmanager
def smtp_sink(
    *options: str, backlog: int = 100, port: int = 0, said: IO[bytes] | None = None
) -> Iterator[int]:
    """Run Postfix's smtp-sink on *port*, by default a free one; give the port.

    A sink that dumps what it takes (``-D``) writes the file as nobody.  What it
    says about itself (``-c``) goes to *said*.
    """
    port = port or free_port()
    path = shutil.which("smtp-sink", path=_PATH)
    assert path is not None, "smtp-sink is absent"
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    line = [path, *user, *options, f"127.0.0.1:{port}", str(backlog)]
    with subprocess.Popen(line, stdout=said or subprocess.DEVNULL) as process:
        try:
            up = _comes(lambda: process.poll() is not None or answers(port), PATIENCE)
            assert up, "smtp-sink does not answer"
            assert process.poll() is None, "smtp-sink gave up"
            yield port
        finally:
            process.kill()


def _service(port: int, options: Mapping[str, str]) -> str:
    """Return the lines of master.cf for an smtpd."""
    lines = [f"  -o {{ {name} = {value} }}\n" for name, value in options.items()]
    return f"127.0.0.1:{port} inet n - n - - smtpd\n{''.join(lines)}"


def _comes(condition: Callable[[], bool], patience: float) -> bool:
    """Wait for *condition*; tell whether it came within *patience* seconds."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _alive(group: int) -> bool:
    """Tell whether a process of *group* is left.

    The dead that nobody has collected yet still count for the kernel.
    """
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            state, _, its_group = path.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state not in "ZX":
                return True
    return False


def _passable(folder: Path) -> bool:
    """Tell whether every user may pass *folder*."""
    return bool(folder.stat().st_mode & 0o001)

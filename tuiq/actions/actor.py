"""Who acts: taken down before a process that root started becomes the queue user."""

from __future__ import annotations

import os
import pwd
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_UNSET = 0xFFFFFFFF
"""``/proc/self/loginuid`` of a process that nobody's login started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """The person (or program) behind an action, as far as the system knows."""

    who: str
    """The name to show: who called sudo, else the login, else the user."""
    uid: int
    """Real user id of the process."""
    user: str = ""
    """Name of that user."""
    sudo_user: str = ""
    """SUDO_USER; believed only from root."""
    login_user: str = ""
    """Who logged in, by the kernel's account; empty when it keeps none."""
    remote: str = ""
    """Address that an ssh session came from; empty: a local one."""
    tty: str = ""
    """Terminal; empty without one."""
    pid: int = 0
    host: str = ""

    @classmethod
    def caller(cls, environ: Mapping[str, str] = os.environ) -> Actor:
        """Return who runs this process."""
        uid = os.getuid()
        user = _name(uid)
        sudo_user = environ.get("SUDO_USER", "") if uid == 0 else ""
        login_user = _login_user()
        return cls(
            who=sudo_user or login_user or user,
            uid=uid,
            user=user,
            sudo_user=sudo_user,
            login_user=login_user,
            remote=environ.get("SSH_CONNECTION", "").partition(" ")[0],
            tty=_tty(),
            pid=os.getpid(),
            host=socket.gethostname(),
        )


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _login_user() -> str:
    try:
        with open("/proc/self/loginuid", encoding="ascii") as file:
            uid = int(file.read())
    except (OSError, ValueError):
        return ""
    return "" if uid == _UNSET else _name(uid)


def _tty() -> str:
    for fd in (0, 1, 2):
        with suppress(OSError):
            return os.ttyname(fd)
    return ""

"""A Postfix that keeps all it takes in one maildir, and the policy it asks for."""

from __future__ import annotations

import contextlib
import re
import socketserver
import threading
from collections import Counter
from email import message_from_bytes
from typing import TYPE_CHECKING, Self

from tests.peers.postfix import Postfix
from tests.runner.world import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from email.message import Message
    from pathlib import Path

_NOBODY = "65534"
_ORIGINAL = re.compile(rb"^X-Original-To: (.*)$", re.MULTILINE)
"""What Postfix writes before the message, once."""
_BUSY = ("maildrop", "incoming", "active", "deferred")


class Policy(socketserver.ThreadingTCPServer):
    """A server of Postfix's policy protocol, whose word is what ``decide`` says."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        """Listen on a free port."""
        super().__init__(("127.0.0.1", 0), _Questions)
        self.decide: Callable[[dict[str, str]], str] = lambda _: "DUNNO"
        """Gives the action for the attributes it is asked about."""

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.05,)).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.shutdown()
        self.server_close()


class _Questions(socketserver.StreamRequestHandler):
    """One connection: attributes, an empty line, the answer; and again."""

    server: Policy

    def handle(self) -> None:
        """Answer questions until there are no more."""
        with contextlib.suppress(ConnectionError):  # Postfix may be killed any time
            asked: dict[str, str] = {}
            for line in self.rfile:
                name, _, value = line.decode().rstrip("\n").partition("=")
                if name:
                    asked[name] = value
                    continue
                action = self.server.decide(asked)
                self.wfile.write(f"action={action}\n\n".encode())
                asked = {}


class Mailbox:
    """The instance, what arrived and what it said since the last ``clear``."""

    def __init__(
        self,
        where: Path,
        policy: Policy,
        main: Mapping[str, str],
        servers: Mapping[str, Mapping[str, str]],
    ) -> None:
        """Write the configuration below *where*.

        *servers* are the smtpd options by name.  In their values ``$policy`` asks
        *policy*, and *main* may define more.
        """
        self.policy = policy
        port = policy.server_address[1]
        self._home = where / "mail"
        self._home.mkdir()
        self._home.chmod(0o777)
        self._mark = 0
        self.postfix = Postfix(
            where / "postfix",
            main={
                "virtual_mailbox_domains": "static:all",
                "virtual_mailbox_maps": "static:box/",
                "virtual_mailbox_base": str(self._home),
                "virtual_uid_maps": f"static:{_NOBODY}",
                "virtual_gid_maps": f"static:{_NOBODY}",
                "smtputf8_enable": "yes",
                # A recipient named twice would be taken for one.
                "duplicate_filter_limit": "1",
                # Servers that are this strict exist.
                "smtpd_forbid_bare_newline": "yes",
                "smtpd_forbid_unauth_pipelining": "yes",
                "strict_rfc821_envelopes": "yes",
                "smtpd_error_sleep_time": "0",
                "policy": f"check_policy_service inet:127.0.0.1:{port}",
                **main,
            },
        )
        self.ports = {
            name: self.postfix.listen(**options) for name, options in servers.items()
        }

    def clear(self) -> None:
        """Forget what came and what was said."""
        for path in self._files():
            path.unlink()
        self._mark = len(self.postfix.log())

    def log(self) -> str:
        """Return what Postfix has said."""
        return self.postfix.log()[self._mark :]

    def says(self, text: str) -> None:
        """Wait until Postfix says *text*."""
        wait_for(lambda: text in self.log())

    def messages(self) -> list[Message]:
        """Return what arrived, one message per recipient, when all has."""
        wait_for(self._is_idle)
        return [message_from_bytes(path.read_bytes()) for path in self._files()]

    def recipients(self) -> Counter[bytes]:
        """Count for whom mail arrived."""
        wait_for(self._is_idle)
        return Counter(
            address
            for path in self._files()
            for address in _ORIGINAL.findall(path.read_bytes())
        )

    def _files(self) -> list[Path]:
        return list(self._home.glob("box/new/*"))

    def _is_idle(self) -> bool:
        """Tell whether Postfix's queue is empty."""
        folders = [self.postfix.queue_dir / name for name in _BUSY]
        return not any(path.is_file() for f in folders for path in f.rglob("*"))

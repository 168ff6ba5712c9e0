"""``tuiq init``: a spool, its ``tuiq.toml``, and what to do next."""

from __future__ import annotations

import os
import re
import shlex
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuiq.cli.diagnostics import ExitCode
from tuiq.config import host_name, split_host_port
from tuiq.config.writer import template
from tuiq.errors import UsageError
from tuiq.log import printable
from tuiq.spool.setup import Owner, create_spool

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from tuiq.config import Config

_MOST_QUEUES = 1000


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``tuiq init``."""
    parser.add_argument("directory", metavar="DIR", help="where the spool shall be")
    parser.add_argument(
        "--smarthost", metavar="HOST:PORT", help="the server that takes all mail"
    )
    parser.add_argument(
        "--queues",
        metavar="N",
        type=int,
        default=1,
        help="queue directories q.1 to q.N (default 1)",
    )
    parser.add_argument(
        "--drop", action="store_true", help="let all local users hand in mail"
    )
    parser.add_argument(
        "--user", metavar="NAME", help="as root: whose the spool shall be"
    )


def run(args: argparse.Namespace, config_loader: Callable[[], Config]) -> int:
    """Make the spool, or add what it lacks; an existing tuiq.toml stays as it is."""
    if args.config:
        raise UsageError("init reads no --config; it writes DIR/tuiq.toml")
    spool = _checked_directory(args.directory)
    values = _settings(args)
    file = spool / "tuiq.toml"
    owner = _owner(args.user, file)
    made = create_spool(
        spool, queues=args.queues, drop=args.drop, folders=True, owner=owner
    )
    written = _write_once(file, template(values))
    print(printable(f"{spool}: {_made(made, spool, args.queues)}"))
    print(printable(f"{file}: {'written' if written else 'was there, left as it is'}"))
    smarthost = values.get(("delivery", "smarthost"))
    if smarthost and not written:
        print(f'set the smarthost there yourself: [delivery] smarthost = "{smarthost}"')
    print(_next_steps(file, smarthost=bool(smarthost) or not written))
    if owner.uid == 0:
        print(
            "\nit is root's, and so is the runner; --user NAME would make it a user's"
        )
    return ExitCode.OK


def _checked_directory(name: str) -> Path:
    """Return the spool's absolute path; refuse what tuiq.toml could not express."""
    spool = Path(name).absolute()
    if re.search(r"[*?\[]", str(spool)) or not str(spool).isprintable():
        raise UsageError(f"{name}: a spool's path has no *, ?, [ or control character")
    if not spool.parent.is_dir():
        raise UsageError(f"{name}: there is no {spool.parent}; make it first")
    return spool


def _settings(args: argparse.Namespace) -> dict[tuple[str, str], Any]:
    """Return what tuiq.toml says beyond the defaults."""
    if not 1 <= args.queues <= _MOST_QUEUES:
        raise UsageError(f"--queues {args.queues}: choose 1 to {_MOST_QUEUES}")
    values: dict[tuple[str, str], Any] = {("spool", "queues"): "q.*"}
    if args.smarthost:
        try:
            host, port = split_host_port(args.smarthost)
        except ValueError as error:
            raise UsageError(f"--smarthost: {error}") from error
        shown = f"[{host}]" if ":" in host else host
        values["delivery", "smarthost"] = f"{shown}:{port}"
    if "." not in host_name() and (qualified := _ask_for_host_name()):
        values["submission", "hostname"] = qualified
    return values


def _ask_for_host_name() -> str | None:
    """Return the qualified name that the resolver knows for this host, if any."""
    import socket

    name = socket.getfqdn()
    usable = re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", name)
    return name if usable and not name.startswith("localhost.") else None


def _owner(user: str | None, file: Path) -> Owner:
    """Return the queue user: *user*, or whose the spool with this tuiq.toml is."""
    caller = Owner.caller()
    if user is None:
        if caller.uid != 0 or not file.exists():
            return caller
        present = file.parent.stat()
        return Owner(uid=present.st_uid, gid=present.st_gid)
    import pwd

    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise UsageError(f"--user {user}: there is no such user here") from None
    if caller.uid not in (0, entry.pw_uid):
        raise UsageError(f"--user {user}: only root can give a spool away")
    return Owner(uid=entry.pw_uid, gid=entry.pw_gid)


def _write_once(path: Path, text: str) -> bool:
    """Write a new file durably; return False and touch nothing when there is one.

    It stays the caller's: a queue user who is broken into cannot change settings
    that root goes by.
    """
    if os.path.lexists(path):
        return False
    temporary = path.with_name(f"{path.name}.tmp")
    with suppress(FileNotFoundError):
        temporary.unlink()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(temporary, flags, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fchmod(file.fileno(), 0o644)  # no secrets in it; submitters read it
        os.fsync(file.fileno())
    os.rename(temporary, path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return True


def _made(made: list[str], spool: Path, queues: int) -> str:
    """Return what happened to the spool, in a few words."""
    if not made:
        return "is complete, nothing to add"
    if str(spool / "q.1") not in made:
        tops = [path for path in made if os.path.dirname(path) not in made]
        return f"added {', '.join(os.path.relpath(path, spool) for path in tops)}"
    return f"made, with {'q.1' if queues == 1 else f'q.1 to q.{queues}'}"


def _next_steps(file: Path, *, smarthost: bool) -> str:
    """Return the commands that send a first message."""
    first = (
        ""
        if smarthost
        else f'  set [delivery] smarthost = "host:port" in {printable(str(file))}\n'
    )
    return (
        f"\nnext:\n{first}"
        f"  export TUIQ_CONFIG={printable(shlex.quote(str(file)))}\n"
        r"  printf 'Subject: hello\n\nIt works.\n' | tuiq sendmail -i you@example.org"
        "\n  tuiq --run --once -v"
    )

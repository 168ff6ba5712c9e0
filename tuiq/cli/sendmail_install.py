"""``tuiq-sendmail --install FILE``: the program with nothing before its first line.

A package installer's script starts Python with ``site`` and its own imports, which
takes about as long again as all the rest.  This one names its interpreter and the
place of the package, and starts without: it also ignores ``PYTHONPATH`` and its like
and never looks for modules in the current directory.
"""

from __future__ import annotations

import os
import secrets
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import tuiq
from tuiq.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

_MARK = "# Written by tuiq-sendmail --install; run it again after moving tuiq."
_PROGRAM = """\
#!{python} -IS
{mark}
import sys

sys.path.append({package!r})
from tuiq.cli.sendmail_plain import main

sys.exit(main())
"""
_LONGEST = 127
"""Bytes of a first line that every Linux reads whole."""


def install(name: str) -> list[str]:
    """Write the program to the file *name*; return what to warn of.

    Replaces its own earlier work only.  Raises UsageError, OSError.
    """
    file, package = Path(name).absolute(), Path(tuiq.__file__).parent.parent
    text = _PROGRAM.format(python=sys.executable, mark=_MARK, package=str(package))
    first = os.fsencode(text.split("\n", 1)[0])
    if len(first) > _LONGEST or any(map(str.isspace, sys.executable)):
        raise UsageError(
            f"{sys.executable}: cannot stand in a script's first line; "
            f"make {file} a link to {sys.argv[0]}"
        )
    if os.path.lexists(file) and not _is_ours(file):
        raise UsageError(f"{file}: write program: it is not tuiq's; move it away first")
    _replace(file, os.fsencode(text))
    return [
        f"{path}: not open to all users, whose mail will fail; install tuiq with a "
        "Python that they can read, such as /usr/bin/python3"
        for path in _closed(Path(sys.executable).resolve(), package)
    ]


def _is_ours(file: Path) -> bool:
    with suppress(OSError):
        return not file.is_symlink() and os.fsencode(_MARK) in file.read_bytes()
    return False


def _replace(file: Path, data: bytes) -> None:
    new = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o755)
    try:
        with os.fdopen(fd, "wb") as out:
            os.fchmod(fd, 0o755)
            out.write(data)
            out.flush()
            os.fsync(fd)
        new.rename(file)
    except BaseException:
        with suppress(OSError):
            new.unlink()
        raise


def _closed(*paths: Path) -> Iterator[Path]:
    """Yield the folder or file that keeps other users from each of *paths*."""
    for path in paths:
        for place in reversed((path, *path.parents)):
            if not place.stat().st_mode & 0o001:
                yield place
                break

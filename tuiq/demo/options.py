"""The command line of ``python -m tuiq.demo.server``: arguments to a script."""

from __future__ import annotations

import argparse
import itertools
import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuiq.demo.script import Act, Answer, Peer, Script

if TYPE_CHECKING:
    from collections.abc import Callable

_PHASES = (
    "greeting",
    "ehlo",
    "helo",
    "starttls",
    "auth",
    "mail",
    "data",
    "body",
    "dot",
    "verdict",
    "rset",
    "quit",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line says."""

    host: str
    port: int
    log: Path | None
    script: Script


def read_options(arguments: list[str]) -> Options:
    """Return what *arguments* say; a mistake in them ends the process with 2."""
    given = _parser().parse_args(arguments)
    return Options(
        host=given.host, port=given.port, log=given.log, script=_script(given)
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tuiq.demo.server",
        description="A scripted SMTP server; prints its port and serves.",
        epilog="phases: " + " ".join(_PHASES),
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=0)
    add("--log", type=Path, help="append a JSON line per accepted transaction")
    add("--no-pipelining", action="store_true")
    add("--max-recipients", type=int, metavar="N")
    add("--max-transactions", type=int, metavar="N")
    pairs: dict[str, Any] = {"action": "append", "default": [], "type": _pair}
    add("--rcpt", metavar="ADDRESS=REPLY", help="answer to one recipient", **pairs)
    add("--reply", metavar="PHASE=REPLY", help="answer in a phase", **pairs)
    add("--delay", metavar="PHASE=LOW[-HIGH]", help="seconds, random", **pairs)
    add("--drop", metavar="PHASE=N", help="drop at each Nth time", **pairs)
    return parser


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text}: not of the form KEY=VALUE")
    return key, value


def _script(given: argparse.Namespace) -> Script:
    script = Script(
        max_recipients=given.max_recipients,
        max_transactions=given.max_transactions,
        rcpt={address.encode(): reply.encode() for address, reply in given.rcpt},
    )
    if given.no_pipelining:
        kept = tuple(name for name in script.extensions if name != b"PIPELINING")
        script = replace(script, extensions=kept)
    options = (dict(given.reply), dict(given.delay), dict(given.drop))
    steps: dict[str, Any] = {
        phase: _step(*(option.get(phase) for option in options))
        for phase in _PHASES
        if any(phase in option for option in options)
    }
    return replace(script, **steps)


def _step(
    reply: str | None, delay: str | None, drop: str | None
) -> Callable[[Peer], Answer]:
    low, _, high = (delay or "0").partition("-")
    shortest, longest = float(low), float(high or low)
    every = int(drop or 0)
    counter = itertools.count(1)
    text = None if reply is None else reply.encode()

    def act(_: Peer) -> Answer:
        seconds = random.uniform(shortest, longest)
        if every and next(counter) % every == 0:
            return Act(delay=seconds, drop=True)
        return Act(reply=text, delay=seconds)

    return act

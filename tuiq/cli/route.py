"""``tuiq route``: where mail for an address would go, and why."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuiq.actions.json_text import json_line, text
from tuiq.cli.diagnostics import ExitCode
from tuiq.clock import SystemClock
from tuiq.config.routes import Means
from tuiq.delivery.locate import Locator
from tuiq.delivery.mx import Unreachable
from tuiq.delivery.route import DEFAULT, RouteTable, Rule, settings_for
from tuiq.log import printable
from tuiq.mail import address

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from tuiq.config import Config, DeliveryConfig
    from tuiq.delivery.route import DestinationKey
    from tuiq.delivery.transport import NextHop

_NOWHERE = "none takes it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Where mail for one recipient would go."""

    recipient: bytes
    sender: bytes
    rule: Rule | None
    passed: list[tuple[Rule, str]]
    """The rules before it, each with why it does not count."""
    key: DestinationKey
    terms: DeliveryConfig
    """The settings that count there."""
    hops: tuple[NextHop, ...] = ()
    """What would be tried, in order."""
    obstacle: Unreachable | None = None
    """Why nothing would be."""


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``tuiq route``."""
    parser.add_argument(
        "address", metavar="ADDRESS", nargs="+", help="a recipient, or a domain"
    )
    parser.add_argument(
        "--from", dest="sender", metavar="SENDER", default="", help="default: <>"
    )
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="why earlier routes do not count"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(args: argparse.Namespace, config_loader: Callable[[], Config]) -> int:
    """Explain each address; 75 when one has to wait, 69 when one would be refused."""
    config = config_loader()
    origin = (config.submission.origin or config.submission.hostname).encode()
    sender = b"" if args.sender in {"", "<>"} else _parsed(args.sender, origin)
    recipients = [_recipient(raw, origin) for raw in args.address]
    status = ExitCode.OK
    for decision in asyncio.run(decide(config, sender, recipients)):
        if args.json:
            print(json_line(_json(decision)))
        else:
            lines = _lines(decision, verbose=args.verbose)
            print("\n".join(map(printable, lines)))
        status = max(status, _status(decision))
    return status


def _parsed(raw: str, origin: bytes) -> bytes:
    return address.parse(raw.encode("utf-8", "surrogateescape"), origin)


def _recipient(raw: str, origin: bytes) -> bytes:
    """Return an address; ``example.org`` stands for any address there."""
    domain = "@" not in raw and "." in raw
    return _parsed(f"postmaster@{raw}" if domain else raw, origin)


async def decide(
    config: Config, sender: bytes, recipients: list[bytes]
) -> list[Decision]:
    """Return where mail from *sender* to each of *recipients* would go."""
    table = RouteTable(config.delivery)
    locator = Locator(config, SystemClock())
    try:
        return [await _decide(table, locator, config, sender, to) for to in recipients]
    finally:
        await locator.close()


async def _decide(
    table: RouteTable, locator: Locator, config: Config, sender: bytes, to: bytes
) -> Decision:
    domain = to.rpartition(b"@")[2]
    key = table.key(sender, domain)
    found: tuple[NextHop, ...] | Unreachable = ()
    if key.refusal is not None:
        found = Unreachable(reply=key.refusal)
    elif key.leaves:
        found = await locator.locate(key)
    return Decision(
        recipient=to,
        sender=sender,
        rule=table.find(sender, domain),
        passed=table.mismatches(sender, domain),
        key=key,
        terms=settings_for(config.delivery, key),
        hops=() if isinstance(found, Unreachable) else found,
        obstacle=found if isinstance(found, Unreachable) else None,
    )


def _status(decision: Decision) -> ExitCode:
    """Return the status for one decision; of several the largest counts."""
    if decision.hops:
        return ExitCode.OK
    final = decision.obstacle is not None and decision.obstacle.permanent
    return ExitCode.UNAVAILABLE if final else ExitCode.TEMPFAIL


# For people.


def _lines(decision: Decision, *, verbose: bool) -> Iterator[str]:
    yield text(decision.recipient)
    if verbose:
        for rule, why in decision.passed:
            yield f"  not {_named(rule)}: {why}"
    yield f"  {_named(decision.rule)}"
    if decision.key.via.means is Means.HOLD:
        yield f"  held: {decision.key.via.text}"
    elif decision.obstacle is not None:
        yield f"  {_verb(decision)}: {text(bytes(decision.obstacle.reply))}"
    else:
        yield f"  destination {decision.key.name}"
        yield f"  {_terms(decision)}"
        for place, hop in enumerate(decision.hops, 1):
            yield f"  {place}. {hop}"


def _named(rule: Rule | None) -> str:
    if rule is None:
        return f"no route: {_NOWHERE}"
    if rule.number == DEFAULT:
        return f'the default: smarthost = "{rule.route.via}"'
    return f"route {rule.number}: {rule.route}"


def _verb(decision: Decision) -> str:
    if decision.key.refusal is not None:
        return "refused"
    assert decision.obstacle is not None
    return "returned" if decision.obstacle.permanent else "tried again later"


def _terms(decision: Decision) -> str:
    terms, rate = decision.terms, decision.key.options.rate
    told = [f"tls {terms.tls}"]
    if terms.tls_verify:
        told.append("certificate checked")
    if terms.username:
        told.append(f"as user {terms.username}")
    told.append(f"{terms.concurrency} connections")
    told.append(f"{terms.recipients_per_transaction} recipients a transaction")
    if rate is not None:
        told.append(str(rate))
    return ", ".join(told)


# For programs.


def _json(decision: Decision) -> dict[str, Any]:
    key, terms = decision.key, decision.terms
    held = key.via.text if key.via.means is Means.HOLD else None
    reply = decision.obstacle.reply if decision.obstacle is not None else None
    return {
        "recipient": text(decision.recipient),
        "sender": text(decision.sender),
        "route": decision.rule.number if decision.rule else None,
        "rule": str(decision.rule.route) if decision.rule else None,
        "passed": [
            {"route": rule.number, "rule": str(rule.route), "why": why}
            for rule, why in decision.passed
        ],
        "destination": key.name,
        "held": held,
        "code": reply.code if reply else None,
        "status": text(reply.status) if reply else None,
        "reply": text(reply.text) if reply else None,
        "hosts": [_host(hop) for hop in decision.hops],
        "tls": terms.tls,
        "tls_verify": terms.tls_verify,
        "username": terms.username or None,
        "concurrency": terms.concurrency,
        "recipients_per_transaction": terms.recipients_per_transaction,
        "rate": str(key.options.rate) if key.options.rate else None,
    }


def _host(hop: NextHop) -> dict[str, Any]:
    return {
        "host": hop.host,
        "port": None if hop.path else hop.port,
        "address": hop.address or None,
        "socket": hop.path or None,
        "protocol": "lmtp" if hop.lmtp else "smtp",
    }

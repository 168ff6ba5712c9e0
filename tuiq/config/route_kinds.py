"""``delivery.routes`` and ``delivery.pools`` as they are read and checked.

Loaded only where a file has routes: ``sendmail`` mostly does without.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tuiq.config import kinds
from tuiq.config.kinds import Kind, Misplaced, split_host_port
from tuiq.config.names import ascii_domain
from tuiq.config.routes import (
    SECONDS,
    Means,
    Member,
    Options,
    Pool,
    Rate,
    Route,
    Via,
    members,
    toml,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

LMTP_PORT = 24
_RATE = re.compile(r"(\d{1,3}(?:,\d{3})+|\d+) ?/ ?([a-z]+)")
_POOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MEMBER = re.compile(r"(\S+)(?: +weight=(\d{1,6}))?( +backup)?")


# Patterns.


def _domain_pattern(raw: object) -> str:
    """Return a pattern for domains: ``*``, ``*.de``, ``example.com``, a literal."""
    text = kinds.printable_text(raw, "the pattern")
    if text in {"*", "[*]"}:
        return text
    if text.startswith("[") and text.endswith("]"):
        return text.lower()
    if "@" in text:
        raise ValueError(f"{text!r} is an address; routes go by domain")
    if text.startswith("."):
        raise ValueError(f'{text!r}: write "*{text}" for all below it')
    wild = text.startswith("*.")
    name = ascii_domain(text[2:] if wild else text)
    if not kinds.is_domain(name):
        raise ValueError(
            f'not a pattern such as "*.de", "example.com", "[*]" or "*": {text!r}'
        )
    return f"*.{name}" if wild else name


def _sender_pattern(raw: object) -> str:
    """Return a pattern for senders: a domain pattern, or a whole address."""
    text = kinds.printable_text(raw, "the pattern")
    if text in {"", "<>"}:
        return ""
    local, at, domain = text.rpartition("@")
    if not at or not local:
        return _domain_pattern(domain)
    name = ascii_domain(domain)
    if not kinds.is_domain(name):
        raise ValueError(f"not an address, nor a domain: {text!r}")
    return f"{local}@{name}"


def _patterns(parse: Callable[[object], str]) -> Callable[[object, Path], object]:
    """Return the reader of one pattern or a list of them."""

    def read(raw: object, base: Path) -> tuple[str, ...]:
        given = raw if isinstance(raw, list) else [raw]
        if not given:
            raise ValueError('an empty list matches nothing; write "*" for all')
        return tuple(parse(one) for one in given)

    return read


# Where to.


def _via(raw: object, base: Path) -> Via:
    text = kinds.printable_text(raw, "where to")
    kind, colon, rest = text.partition(":")
    if kind in {"hold", "refuse"}:
        raise ValueError(f'write {kind} = "why" in the place of via')
    if kind == "mx":
        _, port = split_host_port(f"mx{colon}{rest}")
        return Via(means=Means.MX, port=port)
    if kind == "pool" and colon:
        return Via(means=Means.POOL, text=rest)
    if kind == "lmtp" and colon:
        if rest.startswith("/"):
            return Via(means=Means.LMTP, text=rest)
        host, port = split_host_port(rest, port=LMTP_PORT)
        return Via(means=Means.LMTP, host=host, port=port)
    host, port = split_host_port(text)
    return Via(means=Means.SMARTHOST, host=host, port=port)


def _because(means: Means) -> Callable[[object, Path], Via]:
    def read(raw: object, base: Path) -> Via:
        text = kinds.printable_text(raw, "the reason")
        if not text.strip():
            raise ValueError("empty; say why in a few words")
        return Via(means=means, text=text)

    return read


def _rate(raw: object, base: Path) -> Rate:
    found = _RATE.fullmatch(raw.strip()) if isinstance(raw, str) else None
    seconds = SECONDS.get(found[2]) if found else None
    if not found or seconds is None:
        raise ValueError(f'not a rate such as "10/s", "600/min" or "1,000/hr": {raw!r}')
    count = int(found[1].replace(",", ""))
    if not 1 <= count <= 1_000_000_000:
        raise ValueError(f"not a number from 1 to 1000000000: {count}")
    return Rate(count=count, seconds=seconds)


_ACTIONS: Mapping[str, Callable[[object, Path], Via]] = {
    "via": _via,
    "hold": _because(Means.HOLD),
    "refuse": _because(Means.REFUSE),
}
_CONDITIONS = {
    "to": _patterns(_domain_pattern),
    "from": _patterns(_sender_pattern),
}
_OPTIONS: Mapping[str, Callable[[Any, Path], Any]] = {
    "recipients_per_transaction": kinds.count(low=1, high=10_000).parse,
    "concurrency": kinds.count(low=1, high=10_000).parse,
    "rate": _rate,
    "tls": kinds.word("opportunistic", "require", "implicit", "none").parse,
    "tls_verify": kinds.switch().parse,
    "username": kinds.text().parse,
    "password_file": kinds.path().parse,
}
_KEYS = {**_CONDITIONS, **_ACTIONS, **_OPTIONS}


# A whole route.


def _route(raw: object, base: Path, number: int) -> Route:
    """Return route *number*; raises Misplaced, which names it and the key."""
    here = f"[{number}]"
    if not isinstance(raw, dict):
        raise Misplaced(here, 'not a route such as {to = "*.de", via = "host:25"}')
    values: dict[str, Any] = {}
    for key, given in raw.items():
        if key not in _KEYS:
            raise Misplaced(f"{here}.{key}", kinds.unknown("setting", key, _KEYS))
        try:
            values[key] = _KEYS[key](given, base)
        except ValueError as error:
            raise Misplaced(f"{here}.{key}", str(error)) from error
    _check_alone(values, here)
    action = next(key for key in _ACTIONS if key in values)
    return Route(
        to=values.get("to", ("*",)),
        sender=values.get("from", ("*",)),
        via=values[action],
        options=Options(**{key: values[key] for key in _OPTIONS if key in values}),
    )


def _check_alone(values: Mapping[str, Any], here: str) -> None:
    """Refuse what contradicts itself within one route."""
    actions = [key for key in _ACTIONS if key in values]
    if len(actions) != 1:
        reason = "says {}; give one of via, hold and refuse"
        raise Misplaced(here, reason.format(" and ".join(actions) or "not where to"))
    means = values[actions[0]].means
    idle = [key for key in _OPTIONS if key in values and "via" not in values]
    if idle:
        reason = f"means nothing to mail that does not leave; take it out of {here}"
        raise Misplaced(f"{here}.{idle[0]}", reason)
    for wrong, key, reason in _contradictions(values, means):
        if wrong:
            raise Misplaced(f"{here}.{key}", reason)


def _contradictions(
    values: Mapping[str, Any], means: Means
) -> Iterator[tuple[bool, str, str]]:
    user, file = bool(values.get("username")), values.get("password_file") is not None
    yield user and not file, "username", "needs password_file beside it"
    yield file and not user, "password_file", "needs username beside it"
    yield (
        means is Means.MX and user,
        "username",
        "no password is given to servers that the DNS names; name one with via",
    )
    yield (
        means is Means.MX and values.get("tls") == "implicit",
        "tls",
        'servers found by MX speak STARTTLS; write "require"',
    )
    yield (
        bool(values.get("tls_verify")) and values.get("tls") == "none",
        "tls_verify",
        'there is no certificate to check with tls = "none"',
    )


def _routes(raw: object, base: Path) -> tuple[Route, ...]:
    if not isinstance(raw, list):
        raise ValueError('not a list such as [{to = "*.de", via = "host:25"}]')  # noqa: TRY004 - told by its text
    return tuple(_route(one, base, number) for number, one in enumerate(raw, 1))


# Pools.


def _pool(name: str, raw: object) -> Pool:
    here = f".{name}"
    if not _POOL_NAME.fullmatch(name):
        raise Misplaced(here, "not a name of letters, digits, _ and -")
    if not isinstance(raw, list) or not raw:
        raise Misplaced(here, 'not a list such as ["a:25 weight=3", "b:25 backup"]')
    try:
        found = tuple(map(_member, raw))
    except ValueError as error:
        raise Misplaced(here, str(error)) from error
    places = [(member.host, member.port) for member in found]
    if len(set(places)) < len(places):
        raise Misplaced(here, "names a host twice; give it a weight instead")
    if all(member.backup for member in found):
        raise Misplaced(here, "has nothing but backups; at least one must not be")
    return Pool(name=name, members=found)


def _member(raw: object) -> Member:
    text = kinds.printable_text(raw, "the host")
    found = _MEMBER.fullmatch(text.strip())
    if not found:
        raise ValueError(f'not a host such as "a:25", "a:25 weight=3": {text!r}')
    host, port = split_host_port(found[1])
    weight = int(found[2] or 1)
    if not weight:
        raise ValueError(f"{text!r}: a weight is 1 or more; use backup, or take it out")
    return Member(host=host, port=port, weight=weight, backup=bool(found[3]))


def _pools(raw: object, base: Path) -> tuple[Pool, ...]:
    if not isinstance(raw, dict):
        raise ValueError('not a table such as {out = ["a:25", "b:25"]}')  # noqa: TRY004 - told by its text
    return tuple(_pool(name, hosts) for name, hosts in raw.items())


# Written back.


def _listed(lines: Sequence[str], brackets: str) -> str:
    """Return *lines* between brackets, one each, as TOML allows in lists."""
    if not lines:
        return brackets
    return "\n".join([brackets[0], *(f"  {line}," for line in lines), brackets[1]])


def _write_pools(pools: Sequence[Pool]) -> str:
    # TOML 1.0 wants an inline table on one line.
    texts = [f"{pool.name} = {toml(list(map(str, pool.members)))}" for pool in pools]
    return f"{{{', '.join(texts)}}}"


ROUTES = Kind(
    parse=_routes,
    write=lambda routes: _listed(list(map(str, routes)), "[]"),
    plain=lambda routes: [dict(members(route)) for route in routes],
)
POOLS = Kind(
    parse=_pools,
    write=_write_pools,
    plain=lambda pools: {pool.name: list(map(str, pool.members)) for pool in pools},
)


def check(routes: Sequence[Route], pools: Sequence[Pool], smarthost: str) -> None:
    """Refuse routes that lead nowhere, and mail without a route; raises Misplaced."""
    names = [pool.name for pool in pools]
    for number, route in enumerate(routes, 1):
        if route.via.means is Means.POOL and route.via.text not in names:
            reason = kinds.unknown("pool", route.via.text, names)
            raise Misplaced(f"[{number}].via", f"{reason}; see delivery.pools")
    routed = any(route.takes_all for route in routes)
    if routes and not routed and not smarthost:
        raise Misplaced(
            "",
            "leaves some mail without a route; set delivery.smarthost, or end the "
            'list with {to = "*", ...}',
        )

"""Which mail goes where: pure decisions over the table of routes.

A ``RouteTable`` is made once per configuration.  It answers in time that does not
grow with the number of routes, so a message to 20,000 recipients costs 20,000
dictionary look-ups.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal

from tuiq.config import split_host_port
from tuiq.config.names import ascii_domain
from tuiq.config.routes import Means, Options, Route, Via
from tuiq.mail.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tuiq.config import DeliveryConfig
    from tuiq.mail.envelope import Recipient

DEFAULT = 0
"""The number of the route that ``delivery.smarthost`` stands for."""
_MAX_INDEXES = 256
_REFUSAL = re.compile(r"(?:(5\d\d) +)?(?:(5\.\d{1,3}\.\d{1,3}) +)?(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationKey:
    """What mail queues behind; equal keys share their connections.

    Routes that lead to one server with different credentials or limits make keys
    with the same name that are not equal.
    """

    name: str
    """For people, pauses and the journal: ``host:port``, ``pool:out``,
    ``mx:example.com``, ``lmtp:/run/lmtp``, ``hold``, ``refuse``."""
    via: Via
    domain: str = ""
    """The recipients' domain, A-labels, where it decides (``mx``); else empty."""
    options: Options
    trusted: bool = False
    """Whether it is ``delivery.smarthost``, whose password and TLS are its own."""

    def __hash__(self) -> int:
        """Hash what differs as a rule; looked up for every message."""
        return hash((self.name, self.domain))

    @property
    def leaves(self) -> bool:
        """Whether mail is delivered, neither held nor refused."""
        means = self.via.means
        return means is not Means.HOLD and means is not Means.REFUSE

    @property
    def refusal(self) -> Reply | None:
        """Return what a refused recipient is told, None unless it is refused."""
        if self.via.means is not Means.REFUSE:
            return None
        found = _REFUSAL.fullmatch(self.via.text)
        assert found is not None
        return Reply(
            code=int(found[1] or 550),
            enhanced=(found[2] or "5.7.1").encode(),
            text=found[3].encode("utf-8", "replace"),
        )


UNROUTED = DestinationKey(
    name="hold",
    via=Via(
        means=Means.HOLD,
        text="no route takes it and no smarthost is configured; set delivery.smarthost",
    ),
    options=Options(),
)
"""Where mail goes that nothing takes: nowhere, until there is a route."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A route and its place in the table."""

    number: int
    """From 1, as in errors; ``DEFAULT`` for ``delivery.smarthost``."""
    route: Route


@dataclass(slots=True)
class _Index:
    """The first rule for each pattern, among those open to one kind of sender."""

    exact: dict[str, Rule] = field(default_factory=dict)
    below: dict[str, Rule] = field(default_factory=dict)
    literal: Rule | None = None
    every: Rule | None = None

    def add(self, rule: Rule) -> None:
        """Take in a *rule* that comes after all those before."""
        for pattern in rule.route.to:
            if pattern == "*":
                self.every = self.every or rule
            elif pattern == "[*]":
                self.literal = self.literal or rule
            elif pattern.startswith("*."):
                self.below.setdefault(pattern[2:], rule)
            else:
                self.exact.setdefault(pattern, rule)

    def find(self, domain: str) -> Rule | None:
        """Return the first rule for *domain*."""
        found = [self.every, self.exact.get(domain)]
        if domain.startswith("["):
            found.append(self.literal)
        else:
            found += [self.below.get(parent) for parent in _parents(domain)]
        rules = [rule for rule in found if rule is not None]
        return min(rules, key=_place, default=None)


def _place(rule: Rule) -> float:
    return float("inf") if rule.number == DEFAULT else rule.number


def _parents(domain: str) -> Iterable[str]:
    """Yield the domains above *domain*."""
    _, dot, rest = domain.partition(".")
    while dot:
        yield rest
        _, dot, rest = rest.partition(".")


class RouteTable:
    """The routes of one configuration, ``delivery.smarthost`` at their end."""

    def __init__(self, delivery: DeliveryConfig) -> None:
        """Read the routes of *delivery*."""
        self._smarthost = delivery.smarthost
        rules = [Rule(number=n, route=r) for n, r in enumerate(delivery.routes, 1)]
        if delivery.smarthost:
            host, port = split_host_port(delivery.smarthost)
            via = Via(means=Means.SMARTHOST, host=host, port=port)
            rules.append(Rule(number=DEFAULT, route=Route(via=via)))
        self.rules: tuple[Rule, ...] = tuple(rules)
        # By the places of the rules that a sender is open to.
        self._indexes: dict[tuple[int, ...], _Index] = {}
        self._picky = [rule for rule in rules if "*" not in rule.route.sender]

    def find(self, sender: bytes, domain: bytes) -> Rule | None:
        """Return the first rule for mail from *sender* to *domain*, if there is one."""
        return self._index(sender).find(plain_domain(domain))

    def key(self, sender: bytes, domain: bytes) -> DestinationKey:
        """Return where mail from *sender* to *domain* goes."""
        name = plain_domain(domain)
        return self._key(self._index(sender).find(name), name)

    def group(
        self, sender: bytes, recipients: Sequence[Recipient]
    ) -> dict[DestinationKey, list[int]]:
        """Return the places of *recipients* by destination, both in order."""
        index = self._index(sender)
        groups: dict[DestinationKey, list[int]] = {}
        by_domain: dict[bytes, list[int]] = {}
        for place, recipient in enumerate(recipients):
            domain = recipient.domain
            places = by_domain.get(domain)
            if places is None:
                name = plain_domain(domain)
                key = self._key(index.find(name), name)
                places = by_domain[domain] = groups.setdefault(key, [])
            places.append(place)
        return groups

    def mismatches(self, sender: bytes, domain: bytes) -> list[tuple[Rule, str]]:
        """Return the rules before the one that counts, each with why it does not."""
        chosen = self.find(sender, domain)
        passed: list[tuple[Rule, str]] = []
        for rule in self.rules:
            if rule == chosen:
                break
            passed.append((rule, _objection(rule.route, sender)))
        return passed

    def _index(self, sender: bytes) -> _Index:
        address = _plain_sender(sender)
        barred = tuple(
            rule.number
            for rule in self._picky
            if not _is_from(address, rule.route.sender)
        )
        index = self._indexes.get(barred)
        if index is None:
            if len(self._indexes) >= _MAX_INDEXES:
                self._indexes.clear()
            index = self._indexes[barred] = _Index()
            for rule in self.rules:
                if rule.number not in barred:
                    index.add(rule)
        return index

    def _key(self, rule: Rule | None, domain: str) -> DestinationKey:
        if rule is None:
            return UNROUTED
        via = rule.route.via
        return DestinationKey(
            name=_name(via, domain),
            via=via,
            domain=domain if via.means is Means.MX else "",
            options=rule.route.options,
            trusted=via.means is Means.SMARTHOST and str(via) == self._smarthost,
        )


def _name(via: Via, domain: str) -> str:
    if via.means in {Means.HOLD, Means.REFUSE}:
        return str(via.means.value)
    if via.means is not Means.MX:
        return str(via)
    return f"mx:{domain}" if via.port == 25 else f"mx:{domain}:{via.port}"


def plain_domain(domain: bytes) -> str:
    """Return *domain* as routes know it: A-labels in lower case.

    What is no domain name at all stays as it is; only ``*`` matches it.
    """
    text = domain.decode("utf-8", "backslashreplace")
    try:
        return ascii_domain(text)
    except ValueError:
        return text.lower()


# Senders.


def _plain_sender(sender: bytes) -> str:
    local, at, domain = sender.rpartition(b"@")
    text = local.decode("utf-8", "backslashreplace").lower()
    return f"{text}@{plain_domain(domain)}" if at else plain_domain(domain)


def _is_from(address: str, patterns: Sequence[str]) -> bool:
    domain = address.rpartition("@")[2]
    return any(_fits(pattern, address, domain) for pattern in patterns)


def _fits(pattern: str, address: str, domain: str) -> bool:
    if "@" in pattern or not pattern:
        return pattern.lower() == address
    if pattern == "[*]":
        return domain.startswith("[")
    return domain.endswith(pattern[1:]) if pattern[0] == "*" else domain == pattern


def _objection(route: Route, sender: bytes) -> str:
    """Return why *route*, which was passed over, does not match."""
    if "*" not in route.sender and not _is_from(_plain_sender(sender), route.sender):
        wanted = ", ".join(pattern or "<>" for pattern in route.sender)
        return f"the sender is not {wanted}"
    return f"the recipient's domain is not {', '.join(route.to)}"


# Terms.


def settings_for(delivery: DeliveryConfig, key: DestinationKey) -> DeliveryConfig:
    """Return the settings that count for connections to *key*.

    What a route sets goes before ``[delivery]``.  The smarthost's password is never
    given to another host, and its ``tls = "implicit"`` elsewhere only counts on
    port 465: other servers of the operator's choice must offer STARTTLS then.
    """
    given: dict[str, Any] = {
        setting.name: value
        for setting in fields(Options)
        if setting.name != "rate"
        and (value := getattr(key.options, setting.name)) is not None
    }
    if not key.trusted:
        own: dict[str, Any] = {"username": "", "password_file": None}
        own["tls"] = _tls(delivery, key)
        if key.via.means is Means.MX:
            own["tls_verify"] = False
        given = own | given
    if _is_socket(key) or given.get("tls") == "none":
        given |= {"tls": "none", "tls_verify": False}
    return replace(delivery, **given)


def _is_socket(key: DestinationKey) -> bool:
    return key.via.means is Means.LMTP and not key.via.host


def _tls(
    delivery: DeliveryConfig, key: DestinationKey
) -> Literal["opportunistic", "require", "implicit", "none"]:
    """Return what ``delivery.tls`` means for a host that is not the smarthost."""
    if delivery.tls != "implicit":
        return delivery.tls
    if key.via.means is Means.MX:
        return "opportunistic"
    return "implicit" if key.via.port == 465 else "require"

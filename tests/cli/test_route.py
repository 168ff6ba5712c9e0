"""``tuiq route``: the decision about an address, and why it is so."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.delivery.dns_server import DnsServer

ROUTES = """
routes = [
  {from = "lists.example.com", to = "*.de", via = "pool:out"},
  {to = ["*.de", "*.at"], via = "relay.example.org", rate = "10/s", tls = "require"},
  {to = "direct.example", via = "mx"},
  {to = "gone.example", via = "mx"},
  {to = "odd.example", via = "mx"},
  {to = "local.example", via = "lmtp:/run/lmtp"},
  {to = "later.example", hold = "until they are back"},
  {to = "never.example", refuse = "5.7.0 we do not write to them"},
]
pools = {out = ["one.example:26", "two.example:27 backup"]}
"""


@pytest.fixture
def server() -> Iterator[DnsServer]:
    with DnsServer() as running:
        running.zone.add("direct.example", "MX", "10 a.example.", "20 b.example.")
        running.zone.add("a.example", "A", "127.0.0.2")
        running.zone.add("b.example", "A", "127.0.0.3")
        running.zone.failing.add("odd.example")
        yield running


@pytest.fixture
def routed(planted: Any, server: DnsServer) -> Any:
    """A spool with routes that asks the test's DNS server."""
    planted.config.write_text(
        f'{planted.config.read_text()}{ROUTES}nameservers = ["{server.address}"]\n'
        'mx_to_self = true\nusername = "me"\npassword_file = "secret"\n'
    )
    return planted


NAMES = ("direct", "gone", "odd", "local", "later", "never", "else")


def test_every_kind_of_decision_is_explained_as_pinned(
    routed: Any, tuiq: Callable[..., Any], golden: Callable[[str, str], None]
) -> None:
    addresses = ["a@mail.de", *(f"a@{name}.example" for name in NAMES)]

    ran = tuiq("route", *addresses)

    golden("route.txt", ran.out)
    golden("route.jsonl", tuiq("route", "--json", *addresses).out)
    assert ran.status == 75


def test_verbose_says_why_earlier_routes_do_not_count(
    routed: Any, tuiq: Callable[..., Any], golden: Callable[[str, str], None]
) -> None:
    golden("route-v.txt", tuiq("route", "-v", "a@mail.de").out)


def test_the_sender_has_a_say(routed: Any, tuiq: Callable[..., Any]) -> None:
    told = tuiq("route", "a@mail.de", "--from", "news@lists.example.com", "--json")

    answer = json.loads(told.out)
    assert answer["route"] == 1
    assert answer["sender"] == "news@lists.example.com"
    assert [host["host"] for host in answer["hosts"]] == ["one.example", "two.example"]


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("mail.de", 0),
        ("direct.example", 0),
        ("gone.example", 69),
        ("never.example", 69),
        ("odd.example", 75),
        ("later.example", 75),
    ],
)
def test_the_exit_status_tells_go_wait_and_never(
    routed: Any, tuiq: Callable[..., Any], name: str, status: int
) -> None:
    assert tuiq("route", f"a@{name}").status == status


def test_a_domain_and_a_local_name_are_understood(
    routed: Any, tuiq: Callable[..., Any]
) -> None:
    routed.config.write_text(
        f'{routed.config.read_text()}[submission]\norigin = "local.example"\n'
    )
    assert json.loads(tuiq("route", "--json", "mail.de").out)["route"] == 2
    assert json.loads(tuiq("route", "--json", "root").out)["route"] == 6


def test_without_any_route_that_is_said(planted: Any, tuiq: Callable[..., Any]) -> None:
    planted.config.write_text(f'[spool]\nqueues = "{planted.path}/q.*"\n')
    ran = tuiq("route", "a@x.example")

    assert ran.status == 75
    assert "no route: none takes it" in ran.out
    assert "set delivery.smarthost" in ran.out


def test_what_is_no_address_ends_with_65(
    planted: Any, tuiq: Callable[..., Any]
) -> None:
    assert tuiq("route", "a b@x").status == 65


def test_hostile_text_is_escaped(planted: Any, tuiq: Callable[..., Any]) -> None:
    ran = tuiq("route", "a\N{RIGHT-TO-LEFT OVERRIDE}b@x.example")

    assert "\\u202e" in ran.out
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in ran.out

"""The table of routes: read, refused where it is wrong, and asked the way."""

from __future__ import annotations

import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuiq.config import DeliveryConfig, load
from tuiq.config.route_kinds import ROUTES
from tuiq.config.routes import Means, Rate
from tuiq.config.writer import effective
from tuiq.delivery.route import DEFAULT, UNROUTED, RouteTable, settings_for
from tuiq.errors import ConfigError
from tuiq.mail.envelope import Recipient

if TYPE_CHECKING:
    from collections.abc import Callable

SMARTHOST = 'smarthost = "smart.example:25"\n'


@pytest.fixture
def delivery(tmp_path: Path) -> Callable[[str], DeliveryConfig]:
    """Return a function that reads a ``[delivery]`` section."""

    def read(text: str) -> DeliveryConfig:
        path = tmp_path / "tuiq.toml"
        path.write_text(f'[spool]\nqueues = "q.*"\n[delivery]\n{text}')
        return load(path).delivery

    return read


@pytest.fixture
def table(delivery: Callable[[str], DeliveryConfig]) -> Callable[..., RouteTable]:
    """Return a function that makes a table of routes, one TOML table each."""

    def make(*routes: str, rest: str = SMARTHOST) -> RouteTable:
        lines = "".join(f"  {route},\n" for route in routes)
        return RouteTable(delivery(f"{rest}routes = [\n{lines}]\n"))

    return make


def found(table: RouteTable, domain: str, sender: bytes = b"me@here.example") -> int:
    rule = table.find(sender, domain.encode())
    assert rule is not None
    return rule.number


class TestMatching:
    def test_one_line_gives_top_level_domains_to_another_relay(
        self, table: Callable[..., RouteTable]
    ) -> None:
        routes = table('{to = ["*.de", "*.at"], via = "relay.example.org"}')

        assert found(routes, "example.de") == 1
        assert found(routes, "mail.example.at") == 1
        assert found(routes, "example.com") == DEFAULT
        assert routes.key(b"", b"a.de").name == "relay.example.org:25"
        assert routes.key(b"", b"a.com").name == "smart.example:25"

    def test_the_first_match_wins_whatever_its_pattern(
        self, table: Callable[..., RouteTable]
    ) -> None:
        routes = table(
            '{to = "a.example.de", via = "one"}',
            '{to = "*.example.de", via = "two"}',
            '{to = "*.de", via = "three"}',
            '{to = "b.example.de", via = "never"}',
            '{via = "mx"}',
            '{to = "example.com", via = "never"}',
        )

        assert found(routes, "a.example.de") == 1
        assert found(routes, "b.example.de") == 2
        assert found(routes, "example.de") == 3
        assert found(routes, "de") == 5
        assert found(routes, "example.com") == 5

    def test_a_wild_card_does_not_match_the_domain_itself_nor_half_a_label(
        self, table: Callable[..., RouteTable]
    ) -> None:
        routes = table('{to = "*.example.com", via = "one"}')

        assert found(routes, "x.y.example.com") == 1
        assert found(routes, "example.com") == DEFAULT
        assert found(routes, "badexample.com") == DEFAULT

    def test_both_forms_of_an_international_name_match(
        self, table: Callable[..., RouteTable]
    ) -> None:
        routes = table(
            '{to = "*.straße.de", via = "one"}',
            '{to = "xn--bcher-kva.ch", via = "two"}',
        )

        assert found(routes, "www.xn--strae-oqa.de") == 1
        assert found(routes, "www.Straße.de") == 1
        assert found(routes, "bücher.ch") == 2
        assert found(routes, "www.strasse.de") == DEFAULT

    def test_address_literals_have_a_pattern_of_their_own(
        self, table: Callable[..., RouteTable]
    ) -> None:
        routes = table(
            '{to = "[192.0.2.1]", via = "one"}', '{to = "[*]", refuse = "no"}'
        )

        assert found(routes, "[192.0.2.1]") == 1
        assert found(routes, "[IPv6:2001:db8::1]") == 2
        assert found(routes, "example.com") == DEFAULT

    @pytest.mark.parametrize(
        ("pattern", "sender", "matches"),
        [
            ("news@example.com", b"News@Example.COM", True),
            ("news@example.com", b"old@example.com", False),
            ("@example.com", b"old@example.com", True),
            ("example.com", b"old@sub.example.com", False),
            ("*.example.com", b"old@sub.example.com", True),
            ("@bücher.ch", b"a@xn--bcher-kva.ch", True),
            ("<>", b"", True),
            ("", b"", True),
            ("<>", b"a@example.com", False),
            ("example.com", b"", False),
        ],
    )
    def test_senders_are_matched_by_address_and_by_domain(
        self,
        table: Callable[..., RouteTable],
        pattern: str,
        sender: bytes,
        matches: bool,
    ) -> None:
        routes = table(f'{{from = "{pattern}", via = "one"}}')

        assert found(routes, "x.example", sender) == (1 if matches else DEFAULT)

    def test_sender_and_recipient_must_both_match(
        self, table: Callable[..., RouteTable]
    ) -> None:
        routes = table(
            '{from = "a.example", to = "*.de", via = "one"}',
            '{from = ["b.example", "a.example"], via = "two"}',
        )

        assert found(routes, "x.de", b"me@a.example") == 1
        assert found(routes, "x.com", b"me@a.example") == 2
        assert found(routes, "x.de", b"me@b.example") == 2
        assert found(routes, "x.de", b"me@c.example") == DEFAULT

    def test_the_rules_passed_over_say_why(
        self, table: Callable[..., RouteTable]
    ) -> None:
        routes = table(
            '{from = "a.example", via = "one"}',
            '{to = ["*.de", "*.at"], via = "two"}',
            '{to = "*.com", via = "three"}',
        )

        passed = routes.mismatches(b"me@b.example", b"x.com")
        assert [(rule.number, why) for rule, why in passed] == [
            (1, "the sender is not a.example"),
            (2, "the recipient's domain is not *.de, *.at"),
        ]

    def test_without_smarthost_and_routes_mail_stays(self) -> None:
        assert RouteTable(DeliveryConfig()).key(b"", b"x.example") == UNROUTED

    @given(st.binary())
    def test_any_domain_finds_its_way(self, domain: bytes) -> None:
        table = RouteTable(DeliveryConfig(smarthost="smart.example:25"))
        key = table.key(domain, domain)
        assert key.name.encode() == b"smart.example:25"


class TestDestinations:
    def test_recipients_are_grouped_in_order(
        self, table: Callable[..., RouteTable]
    ) -> None:
        routes = table('{to = "*.de", via = "mx"}', '{to = "no.example", hold = "x"}')
        names = [b"a.de", b"x.com", b"b.de", b"no.example", b"A.de", b"y.com"]

        groups = routes.group(b"", [Recipient(address=b"me@" + n) for n in names])

        assert {key.name: places for key, places in groups.items()} == {
            "mx:a.de": [0, 4],
            "smart.example:25": [1, 5],
            "mx:b.de": [2],
            "hold": [3],
        }

    def test_twenty_thousand_recipients_by_a_thousand_routes_take_no_time(
        self, table: Callable[..., RouteTable]
    ) -> None:
        routes = table(
            *[f'{{to = "*.d{n}.example", via = "relay{n}"}}' for n in range(1000)]
        )
        recipients = [
            Recipient(address=b"u@x%d.d%d.example" % (n, n % 2000))
            for n in range(20_000)
        ]

        start = time.process_time()
        groups = routes.group(b"me@here.example", recipients)

        assert len(groups) == 1001
        assert time.process_time() - start < 10  # about 0.3 on an idle machine

    def test_a_refusal_says_its_own_code_and_status(
        self, table: Callable[..., RouteTable]
    ) -> None:
        routes = table(
            '{to = "a.x", refuse = "no mail there"}',
            '{to = "b.x", refuse = "5.1.2 gone away"}',
            '{to = "c.x", refuse = "554 5.7.0 never"}',
        )

        said = [routes.key(b"", b"%c.x" % c).refusal for c in b"abc"]
        assert [reply and bytes(reply) for reply in said] == [
            b"550 5.7.1 no mail there",
            b"550 5.1.2 gone away",
            b"554 5.7.0 never",
        ]

    def test_only_what_leaves_says_so(self, table: Callable[..., RouteTable]) -> None:
        routes = table('{to = "a.x", refuse = "no"}', '{to = "b.x", hold = "later"}')
        leaves = [routes.key(b"", b"%c.x" % c).leaves for c in b"abc"]

        assert leaves == [False, False, True]
        assert routes.key(b"", b"b.x").via.text == "later"

    def test_destinations_are_named_after_where_they_lead(
        self,
        table: Callable[..., RouteTable],
    ) -> None:
        routes = table(
            '{to = "a.x", via = "pool:out"}',
            '{to = "b.x", via = "lmtp:/run/lmtp"}',
            '{to = "c.x", via = "lmtp:[::1]"}',
            '{to = "d.x", via = "mx:2525"}',
            '{to = "e.x", via = "[2001:db8::1]:587"}',
            rest=SMARTHOST + 'pools = {out = ["a", "b:26 weight=3 backup"]}\n',
        )

        assert [routes.key(b"", b"%c.x" % c).name for c in b"abcde"] == [
            "pool:out",
            "lmtp:/run/lmtp",
            "lmtp:[::1]:24",
            "mx:d.x:2525",
            "[2001:db8::1]:587",
        ]

    def test_one_server_under_two_names_of_an_account_is_two_destinations(
        self, table: Callable[..., RouteTable]
    ) -> None:
        routes = table(
            '{from = "a.x", via = "r", username = "a", password_file = "a"}',
            '{from = "b.x", via = "r", username = "b", password_file = "b"}',
        )
        first, second = routes.key(b"x@a.x", b"z"), routes.key(b"x@b.x", b"z")

        assert first.name == second.name == "r:25"
        assert first != second

    def test_a_route_to_the_smarthost_shares_its_connections(
        self, table: Callable[..., RouteTable]
    ) -> None:
        routes = table('{to = "a.x", via = "smart.example"}')

        assert routes.key(b"", b"a.x") == routes.key(b"", b"b.x")


class TestTerms:
    ACCOUNT = SMARTHOST + 'username = "me"\npassword_file = "secret"\n'

    def test_the_smarthosts_password_goes_to_no_other_host(
        self, delivery: Callable[[str], DeliveryConfig]
    ) -> None:
        config = delivery(self.ACCOUNT + 'routes = [{to = "*.de", via = "other"}]')
        table = RouteTable(config)

        smart = settings_for(config, table.key(b"", b"x.com"))
        other = settings_for(config, table.key(b"", b"x.de"))

        assert (smart.username, smart.password_file) == ("me", config.password_file)
        assert (other.username, other.password_file) == ("", None)

    def test_what_a_route_sets_goes_before_the_section(
        self, delivery: Callable[[str], DeliveryConfig], tmp_path: Path
    ) -> None:
        config = delivery(
            self.ACCOUNT + 'routes = [{to = "*.de", via = "other", tls = "require", '
            'tls_verify = true, username = "you", password_file = "yours", '
            'concurrency = 3, recipients_per_transaction = 7, rate = "1,000/hr"}]'
        )
        key = RouteTable(config).key(b"", b"x.de")
        terms = settings_for(config, key)

        assert (terms.tls, terms.tls_verify, terms.username) == ("require", True, "you")
        assert terms.password_file == tmp_path / "yours"
        assert (terms.concurrency, terms.recipients_per_transaction) == (3, 7)
        assert key.options.rate == Rate(count=1000, seconds=3600)
        assert terms.dot_timeout == config.dot_timeout

    @pytest.mark.parametrize(
        ("via", "tls"),
        [
            ("smart.example", "implicit"),
            ("other:465", "implicit"),
            ("other:25", "require"),
            ("mx", "opportunistic"),
            ("lmtp:/run/lmtp", "none"),
        ],
    )
    def test_implicit_tls_of_the_smarthost_is_not_asked_of_others(
        self, delivery: Callable[[str], DeliveryConfig], via: str, tls: str
    ) -> None:
        config = delivery(
            f'{SMARTHOST}tls = "implicit"\nroutes = [{{to = "a.x", via = "{via}"}}]'
        )
        assert settings_for(config, RouteTable(config).key(b"", b"a.x")).tls == tls

    def test_a_certificate_is_demanded_of_relays_and_not_of_what_mx_finds(
        self, delivery: Callable[[str], DeliveryConfig]
    ) -> None:
        config = delivery(
            SMARTHOST + 'tls = "require"\ntls_verify = true\n'
            'routes = [{to = "a.x", via = "other"}, {to = "b.x", via = "mx"}]'
        )
        table = RouteTable(config)
        terms = [settings_for(config, table.key(b"", b"%c.x" % c)) for c in b"ab"]

        assert [(t.tls, t.tls_verify) for t in terms] == [
            ("require", True),
            ("require", False),
        ]


class TestReading:
    @pytest.mark.parametrize(
        ("text", "key", "says"),
        [
            ("1", "routes", "not a list"),
            ('["mx"]', "routes[1]", "not a route"),
            ('[{via = "mx"}, {too = "x"}]', "routes[2].too", "did you mean to?"),
            ('[{to = "x"}]', "routes[1]", "not where to; give one of via"),
            ('[{via = "mx", hold = "x"}]', "routes[1]", "via and hold"),
            ('[{via = "hold"}]', "routes[1].via", 'write hold = "why"'),
            ('[{hold = ""}]', "routes[1].hold", "say why"),
            ('[{via = "a:b"}]', "routes[1].via", "host and port"),
            ('[{via = "mx:0"}]', "routes[1].via", "not a port"),
            ('[{via = "lmtp:"}]', "routes[1].via", "host and port"),
            ('[{via = "pool:uot"}]', "routes[1].via", "did you mean out?"),
            ('[{via = "mx", to = []}]', "routes[1].to", "matches nothing"),
            ('[{via = "mx", to = "a@b.de"}]', "routes[1].to", "routes go by domain"),
            ('[{via = "mx", to = ".de"}]', "routes[1].to", 'write "*.de"'),
            ('[{via = "mx", to = "a.*.de"}]', "routes[1].to", "not a pattern"),
            ('[{via = "mx", to = "ü..de"}]', "routes[1].to", "Empty"),
            ('[{via = "mx", from = "a@b c"}]', "routes[1].from", "not an address"),
            ('[{via = "mx", rate = "10"}]', "routes[1].rate", "not a rate"),
            ('[{via = "mx", rate = "0/s"}]', "routes[1].rate", "from 1"),
            ('[{via = "mx", rate = "1,00/s"}]', "routes[1].rate", "not a rate"),
            ('[{via = "mx", concurrency = 0}]', "routes[1].concurrency", "least is 1"),
            ('[{hold = "x", tls = "none"}]', "routes[1].tls", "does not leave"),
            ('[{via = "mx", tls = "implicit"}]', "routes[1].tls", "STARTTLS"),
            ('[{via = "a", username = "u"}]', "routes[1].username", "password_file"),
            (
                '[{via = "mx", username = "u", password_file = "p"}]',
                "routes[1].username",
                "no password is given",
            ),
            ("[{via = 'a', password_file = 'p'}]", "routes[1].password_file", "needs"),
            (
                '[{via = "a", tls = "none", tls_verify = true}]',
                "routes[1].tls_verify",
                "no certificate",
            ),
        ],
    )
    def test_a_wrong_route_is_refused_by_file_key_and_reason(
        self,
        delivery: Callable[[str], DeliveryConfig],
        text: str,
        key: str,
        says: str,
    ) -> None:
        with pytest.raises(ConfigError) as caught:
            delivery(f'{SMARTHOST}routes = {text}\npools = {{out = ["a"]}}\n')
        assert caught.value.key == f"delivery.{key}"
        assert says in caught.value.reason

    @pytest.mark.parametrize(
        ("text", "key", "says"),
        [
            ("1", "pools", "not a table"),
            ("{out = []}", "pools.out", "not a list"),
            ('{"a b" = ["a"]}', "pools.a b", "not a name"),
            ('{out = ["a backup"]}', "pools.out", "nothing but backups"),
            ('{out = ["a", "a:25"]}', "pools.out", "names a host twice"),
            ('{out = ["a weight=0"]}', "pools.out", "1 or more"),
            ('{out = ["a wieght=2"]}', "pools.out", "not a host such as"),
        ],
    )
    def test_a_wrong_pool_is_refused_by_file_key_and_reason(
        self,
        delivery: Callable[[str], DeliveryConfig],
        text: str,
        key: str,
        says: str,
    ) -> None:
        with pytest.raises(ConfigError) as caught:
            delivery(f"{SMARTHOST}pools = {text}\n")
        assert caught.value.key == f"delivery.{key}"
        assert says in caught.value.reason

    @pytest.mark.parametrize("last", ["", '{from = "a.x", via = "mx"}'])
    def test_routes_that_leave_mail_behind_are_refused_without_a_smarthost(
        self, table: Callable[..., RouteTable], last: str
    ) -> None:
        routes = ['{to = "*.de", via = "mx"}', *filter(None, [last])]

        with pytest.raises(ConfigError, match=r"delivery\.routes: leaves some mail"):
            table(*routes, rest="")
        table(*routes, '{refuse = "only Germany"}', rest="")

    def test_tables_of_toml_read_the_same_as_lines(
        self, delivery: Callable[[str], DeliveryConfig]
    ) -> None:
        lines = delivery('routes = [{to = "*.de", via = "a"}, {via = "mx"}]\n')
        tables = delivery(
            '[[delivery.routes]]\nto = "*.de"\nvia = "a"\n'
            '[[delivery.routes]]\nvia = "mx"\n'
        )
        assert lines.routes == tables.routes
        assert [route.via.means for route in lines.routes] == [
            Means.SMARTHOST,
            Means.MX,
        ]

    def test_routes_read_back_as_they_are_written(
        self, delivery: Callable[[str], DeliveryConfig]
    ) -> None:
        text = """
            routes = [
              {to = ["*.de", "[*]"], from = ["<>", "a@b.x"], via = "pool:out"},
              {to = "c.x", via = "lmtp:/run/x", rate = "10/min", concurrency = 1},
              {to = "d.x", hold = 'say "please"'},
              {via = "mx", tls = "require", tls_verify = true},
            ]
            pools = {out = ["a:25 weight=3", "[::1]:26 backup"]}
        """
        config = delivery(text)
        written = ROUTES.write(config.routes)

        raw = tomllib.loads(f"routes = {written}")["routes"]
        assert ROUTES.parse(raw, Path()) == config.routes
        assert ROUTES.parse(ROUTES.plain(config.routes), Path()) == config.routes

    def test_the_effective_settings_show_routes_and_pools(
        self, tmp_path: Path, delivery: Callable[[str], DeliveryConfig]
    ) -> None:
        delivery('routes = [{via = "pool:out"}]\npools = {out = ["a", "b weight=2"]}')
        rows = {
            row.key: row
            for row in effective(load(tmp_path / "tuiq.toml"))
            if row.section == "delivery"
        }
        assert rows["routes"].plain == [{"to": "*", "via": "pool:out"}]
        assert rows["routes"].value == '[\n  {to = "*", via = "pool:out"},\n]'
        assert rows["pools"].plain == {"out": ["a:25", "b:25 weight=2"]}
        assert rows["pools"].value == '{out = ["a:25", "b:25 weight=2"]}'

    def test_the_example_of_the_readme_is_valid(
        self, delivery: Callable[[str], DeliveryConfig]
    ) -> None:
        readme = (Path(__file__).parents[2] / "README.md").read_text()
        section = readme.split("### Routes\n")[1]
        example = section.split("```toml\n[delivery]\n")[1].split("```")[0]

        config = delivery(example)

        assert len(config.routes) == 7
        assert RouteTable(config).key(b"", b"x.at").name == "relay.example.org:25"

    def test_nameservers_are_addresses_with_ports(
        self, delivery: Callable[[str], DeliveryConfig]
    ) -> None:
        config = delivery('nameservers = ["127.0.0.1", "[::1]:5353"]\n')
        assert config.nameservers == ("127.0.0.1:53", "[::1]:5353")
        with pytest.raises(ConfigError, match=r"delivery\.nameservers: 'dns"):
            delivery('nameservers = ["dns.example"]\n')

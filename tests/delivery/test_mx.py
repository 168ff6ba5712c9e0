"""MX by the book, against a real DNS server: who takes the mail, in which order."""

from __future__ import annotations

import asyncio
import random
import resource
import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace

import pytest

from tests.delivery.dns_server import DnsServer, Zone
from tuiq.clock import SystemClock
from tuiq.config import Config, DeliveryConfig, SpoolConfig
from tuiq.config.routes import Means, Member, Options, Pool, Route, Via
from tuiq.delivery import resolver as resolving
from tuiq.delivery.here import Here
from tuiq.delivery.locate import Locator
from tuiq.delivery.mx import (
    MAX_ADDRESSES,
    DnsTrouble,
    MxFinder,
    MxHost,
    NoSuchName,
    Standing,
    Targets,
    Unreachable,
)
from tuiq.delivery.resolver import Resolver
from tuiq.delivery.route import RouteTable
from tuiq.delivery.transport import NextHop, NoDescriptors

NO_ANSWER = 0.4
"""Seconds after which the tests give up a question."""


@dataclass
class FakeClock(SystemClock):
    """A clock that moves when it is told to."""

    time: float = 1000.0

    def boottime(self) -> float:
        return self.time


@dataclass
class Surroundings:
    """A machine that only exists in the test."""

    names: set[str] = field(default_factory=lambda: {"me.example"})
    own: set[str] = field(default_factory=lambda: {"192.0.2.99"})
    unrouted: set[str] = field(default_factory=set)

    def is_own_name(self, name: str) -> bool:
        return name in self.names

    def standing(self, address: str) -> Standing:
        if address in self.own or address == "127.0.0.1":
            return Standing.OWN
        if address == "0.0.0.0":
            return Standing.BOGUS
        return Standing.UNROUTED if address in self.unrouted else Standing.FAR


@dataclass
class World:
    """A DNS server and who asks it."""

    server: DnsServer
    resolver: Resolver
    clock: FakeClock
    here: Surroundings
    finder: MxFinder

    @property
    def zone(self) -> Zone:
        return self.server.zone

    def add(self, name: str, kind: str, *records: str) -> None:
        self.zone.add(name, kind, *records)

    async def hosts(self, domain: str) -> list[tuple[str, list[str]]]:
        """Return names and addresses; fails where there are none."""
        found = await self.finder.find(domain)
        assert isinstance(found, Targets), found
        return [(host.name, list(host.addresses)) for host in found.hosts]

    async def refused(self, domain: str) -> tuple[int, bytes, bool]:
        """Return code, status and whether it is final; fails where there is a way."""
        found = await self.finder.find(domain)
        assert isinstance(found, Unreachable), found
        assert domain.encode() in found.reply.text
        return found.reply.code, found.reply.enhanced, found.permanent


@pytest.fixture
def server() -> Iterator[DnsServer]:
    with DnsServer() as running:
        yield running


@pytest.fixture
async def world(server: DnsServer) -> AsyncIterator[World]:
    clock, here = FakeClock(), Surroundings()
    resolver = Resolver([server.address], timeout=NO_ANSWER, clock=clock)
    finder = MxFinder(resolver, here, chance=random.Random(1))
    yield World(server, resolver, clock, here, finder)
    await resolver.close()


class TestOrder:
    async def test_hosts_come_by_preference(self, world: World) -> None:
        world.add("a.example", "MX", "20 two.example.", "10 one.example.")
        world.add("one.example", "A", "192.0.2.1")
        world.add("two.example", "A", "192.0.2.2")

        assert await world.hosts("a.example") == [
            ("one.example", ["192.0.2.1"]),
            ("two.example", ["192.0.2.2"]),
        ]

    async def test_equals_take_turns_at_being_first(self, world: World) -> None:
        for number in range(3):
            world.add("a.example", "MX", f"10 m{number}.example.")
            world.add(f"m{number}.example", "A", f"192.0.2.{number + 1}")

        firsts = Counter([(await world.hosts("a.example"))[0][0] for _ in range(90)])

        assert min(firsts[f"m{number}.example"] for number in range(3)) > 10
        assert world.server.asked("a.example", "MX") == 1

    async def test_families_take_turns(self, world: World) -> None:
        world.add("a.example", "A", "192.0.2.1", "192.0.2.2")
        world.add("a.example", "AAAA", "2001:db8::1", "2001:db8::2")

        orders = [(await world.hosts("a.example"))[0][1] for _ in range(40)]

        kinds = {tuple(":" in address for address in order) for order in orders}
        assert kinds == {(True, False, True, False), (False, True, False, True)}
        assert len(set(map(tuple, orders))) > 2

    async def test_addresses_without_a_route_are_left_out(self, world: World) -> None:
        world.here.unrouted |= {"2001:db8::1", "2001:db8::2"}
        world.add("a.example", "MX", "10 six.example.", "20 four.example.")
        world.add("six.example", "AAAA", "2001:db8::1")
        world.add("four.example", "AAAA", "2001:db8::2")
        world.add("four.example", "A", "192.0.2.4")
        world.add("b.example", "AAAA", "2001:db8::1")

        assert await world.hosts("a.example") == [("four.example", ["192.0.2.4"])]
        assert await world.hosts("b.example") == [("b.example", ["2001:db8::1"])]

    async def test_five_addresses_are_shared_out_so_that_each_host_has_one(
        self, world: World
    ) -> None:
        addresses = [f"192.0.2.{number}" for number in range(1, 11)]
        world.add(
            "a.example", "MX", "10 big.example.", "20 b.example.", "30 c.example."
        )
        world.add("big.example", "A", *addresses)
        world.add("b.example", "A", "198.51.100.1", "198.51.100.2")
        world.add("c.example", "A", "198.51.100.3")

        found = await world.hosts("a.example")

        assert [(name, len(given)) for name, given in found] == [
            ("big.example", 3),
            ("b.example", 1),
            ("c.example", 1),
        ]
        assert sum(len(given) for _, given in found) == MAX_ADDRESSES

    async def test_of_many_hosts_the_best_five_are_tried(self, world: World) -> None:
        for number in range(30):
            world.add("a.example", "MX", f"{number} m{number}.example.")
            world.add(f"m{number}.example", "A", f"192.0.2.{number + 1}")

        found = await world.hosts("a.example")

        assert [name for name, _ in found] == [f"m{n}.example" for n in range(5)]
        assert world.server.asked("m25.example", "A") == 0


class TestRecords:
    async def test_without_mx_the_domain_is_its_own_server(self, world: World) -> None:
        world.add("a.example", "A", "192.0.2.1")
        assert await world.hosts("a.example") == [("a.example", ["192.0.2.1"])]

    async def test_a_domain_that_is_an_alias_has_the_servers_of_its_target(
        self, world: World
    ) -> None:
        world.add("a.example", "CNAME", "b.example.")
        world.add("b.example", "CNAME", "c.example.")
        world.add("c.example", "MX", "10 mx.example.")
        world.add("mx.example", "CNAME", "host.example.")
        world.add("host.example", "A", "192.0.2.1")

        assert await world.hosts("a.example") == [("mx.example", ["192.0.2.1"])]

    async def test_an_alias_without_mx_leads_to_the_targets_address(
        self, world: World
    ) -> None:
        world.add("a.example", "CNAME", "b.example.")
        world.add("b.example", "A", "192.0.2.1")

        assert await world.hosts("a.example") == [("a.example", ["192.0.2.1"])]

    async def test_an_alias_that_leads_nowhere_is_no_domain(self, world: World) -> None:
        world.add("a.example", "CNAME", "gone.example.")
        assert await world.refused("a.example") == (550, b"5.1.2", True)

    async def test_aliases_in_a_circle_are_trouble_not_an_end(
        self, world: World
    ) -> None:
        world.add("a.example", "CNAME", "b.example.")
        world.add("b.example", "CNAME", "a.example.")
        assert await world.refused("a.example") == (451, b"4.4.3", False)

    async def test_a_null_mx_takes_no_mail(self, world: World) -> None:
        world.add("a.example", "MX", "0 .")
        world.add("a.example", "A", "192.0.2.1")
        assert await world.refused("a.example") == (556, b"5.1.10", True)

    async def test_a_null_mx_among_others_is_passed_over(self, world: World) -> None:
        world.add("a.example", "MX", "0 .", "10 mx.example.")
        world.add("mx.example", "A", "192.0.2.1")
        assert await world.hosts("a.example") == [("mx.example", ["192.0.2.1"])]

    @pytest.mark.parametrize(
        "target", ["192.0.2.1.", "localhost.", "x.localhost.", "bad\\032name.example."]
    )
    async def test_a_target_that_is_no_host_is_passed_over(
        self, world: World, target: str
    ) -> None:
        world.add("a.example", "MX", f"0 {target}", "10 mx.example.")
        world.add("mx.example", "A", "192.0.2.1")
        world.add("b.example", "MX", f"0 {target}")
        world.add("b.example", "A", "192.0.2.2")

        assert await world.hosts("a.example") == [("mx.example", ["192.0.2.1"])]
        assert await world.refused("b.example") == (550, b"5.4.4", True)

    async def test_a_target_without_addresses_is_passed_over(
        self, world: World
    ) -> None:
        world.add("a.example", "MX", "0 gone.example.", "10 mx.example.")
        world.add("mx.example", "A", "192.0.2.1")
        world.add("b.example", "MX", "0 gone.example.")
        world.add("c.example", "A", "0.0.0.0")

        assert await world.hosts("a.example") == [("mx.example", ["192.0.2.1"])]
        assert await world.refused("b.example") == (550, b"5.4.4", True)
        assert await world.refused("c.example") == (550, b"5.4.4", True)

    async def test_a_domain_that_exists_without_any_address_is_final(
        self, world: World
    ) -> None:
        world.add("a.example", "TXT", '"hello"')
        assert await world.refused("a.example") == (550, b"5.4.4", True)

    async def test_an_answer_too_long_for_udp_is_fetched_by_tcp(
        self, world: World
    ) -> None:
        for number in range(60):
            name = f"a-rather-long-host-name-{number}.mail.example"
            world.add("a.example", "MX", f"{number} {name}.")
            world.add(name, "A", f"192.0.2.{number + 1}")

        found = await world.hosts("a.example")

        assert found[0][1] == ["192.0.2.1"]
        assert ("a.example", "MX", "tcp") in world.server.queries

    @pytest.mark.parametrize(
        ("literal", "addresses"),
        [
            ("[192.0.2.1]", ["192.0.2.1"]),
            ("[IPv6:2001:db8::1]", ["2001:db8::1"]),
        ],
    )
    async def test_an_address_literal_is_its_own_server(
        self, world: World, literal: str, addresses: list[str]
    ) -> None:
        assert await world.hosts(literal) == [(literal, addresses)]
        assert not world.server.queries

    @pytest.mark.parametrize(
        "literal", ["[192.0.2.256]", "[2001:db8::1]", "[x:1]", "[]", "[192.0.2.1"]
    )
    async def test_a_wrong_literal_is_final(self, world: World, literal: str) -> None:
        assert await world.refused(literal) == (550, b"5.1.3", True)

    @pytest.mark.parametrize("name", ["a..example", "a b.example", "x" * 64 + ".de"])
    async def test_what_is_no_name_is_never_asked_for(
        self, world: World, name: str
    ) -> None:
        assert await world.refused(name) == (550, b"5.1.2", True)
        assert not world.server.queries


class TestTrouble:
    async def test_no_such_domain_is_final(self, world: World) -> None:
        assert await world.refused("gone.example") == (550, b"5.1.2", True)

    async def test_a_failing_server_is_not(self, world: World) -> None:
        world.zone.failing.add("a.example")
        assert await world.refused("a.example") == (451, b"4.4.3", False)

    async def test_silence_is_not(self, world: World) -> None:
        world.zone.silent.add("a.example")
        assert await world.refused("a.example") == (451, b"4.4.3", False)

    async def test_no_server_at_all_is_not(self, world: World) -> None:
        with DnsServer() as gone:
            address = gone.address
        resolver = Resolver([address], timeout=NO_ANSWER, clock=world.clock)

        found = await MxFinder(resolver, world.here).find("a.example")

        assert isinstance(found, Unreachable)
        assert not found.permanent
        await resolver.close()

    async def test_trouble_with_one_host_leaves_the_others(self, world: World) -> None:
        world.add("a.example", "MX", "0 one.example.", "10 two.example.")
        world.zone.failing.add("one.example")
        world.add("two.example", "A", "192.0.2.2")

        assert await world.hosts("a.example") == [("two.example", ["192.0.2.2"])]

    async def test_trouble_with_all_hosts_is_not_final(self, world: World) -> None:
        world.add("a.example", "MX", "0 one.example.", "10 gone.example.")
        world.zone.failing.add("one.example")

        assert await world.refused("a.example") == (451, b"4.4.3", False)

    async def test_trouble_with_one_family_leaves_the_other(self, world: World) -> None:
        world.add("a.example", "A", "192.0.2.1")
        world.zone.failing.add("a.example AAAA")
        world.add("b.example", "TXT", "x")
        world.zone.failing.add("b.example AAAA")

        assert await world.hosts("a.example") == [("a.example", ["192.0.2.1"])]
        assert await world.refused("b.example") == (451, b"4.4.3", False)

    async def test_a_lack_of_descriptors_is_told_apart(self, world: World) -> None:
        world.add("a.example", "A", "192.0.2.1")
        await world.hosts("a.example")
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            with pytest.raises(NoDescriptors):
                await world.finder.find("b.example")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert await world.refused("b.example") == (550, b"5.1.2", True)


class TestSelf:
    async def test_servers_behind_our_own_name_are_left_out(self, world: World) -> None:
        world.add(
            "a.example", "MX", "5 one.example.", "10 Me.example.", "10 x.example.",
            "20 y.example.",
        )  # fmt: skip
        for name in ("one.example", "x.example", "y.example"):
            world.add(name, "A", "192.0.2.1")

        assert await world.hosts("a.example") == [("one.example", ["192.0.2.1"])]

    async def test_servers_behind_our_own_address_are_left_out(
        self, world: World
    ) -> None:
        world.add("a.example", "MX", "5 one.example.", "10 x.example.", "20 y.example.")
        world.add("one.example", "A", "192.0.2.1")
        world.add("x.example", "A", "192.0.2.7", "192.0.2.99")
        world.add("y.example", "A", "192.0.2.8")

        assert await world.hosts("a.example") == [("one.example", ["192.0.2.1"])]

    @pytest.mark.parametrize(
        "domain", ["named.example", "implicit.example", "[127.0.0.1]"]
    )
    async def test_when_we_are_the_best_server_mail_loops(
        self, world: World, domain: str
    ) -> None:
        world.add("named.example", "MX", "10 me.example.", "20 x.example.")
        world.add("x.example", "A", "192.0.2.1")
        world.add("implicit.example", "A", "127.0.0.1")

        assert await world.refused(domain) == (554, b"5.4.6", True)

    def test_the_kernel_knows_our_addresses(self) -> None:
        here = Here(["Mail.Example."])

        assert here.is_own_name("mail.example")
        assert here.is_own_name(socket.gethostname().lower())
        assert not here.is_own_name("other.example")
        for address in ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"):
            assert here.standing(address) is Standing.OWN
        for address in ("0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255"):
            assert here.standing(address) is Standing.BOGUS
        assert here.standing("192.0.2.1") in {Standing.FAR, Standing.UNROUTED}

    def test_an_interface_of_ours_is_our_own(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(("192.0.2.1", 9))
            except OSError:
                pytest.skip("no route out of this machine")
            address = probe.getsockname()[0]
        assert Here([]).standing(address) is Standing.OWN
        assert Here([], welcome=True).standing(address) is Standing.FAR
        assert not Here(["a.example"], welcome=True).is_own_name("a.example")


class TestMemory:
    async def test_an_answer_is_good_for_its_ttl(self, world: World) -> None:
        world.zone.ttl = 100
        world.add("a.example", "A", "192.0.2.1")
        for _ in range(3):
            await world.hosts("a.example")
        assert world.server.asked("a.example", "A") == 1
        world.clock.time += 99
        await world.hosts("a.example")
        assert world.server.asked("a.example", "A") == 1
        world.clock.time += 2
        await world.hosts("a.example")
        assert world.server.asked("a.example", "A") == 2

    @pytest.mark.parametrize(
        ("ttl", "kept"), [(0, resolving.SHORTEST), (10**6, resolving.LONGEST)]
    )
    async def test_a_ttl_is_kept_within_bounds(
        self, world: World, ttl: int, kept: float
    ) -> None:
        world.zone.ttl = ttl
        world.add("a.example", "A", "192.0.2.1")
        for wait, asked in ((0, 1), (kept - 1, 1), (2, 2)):
            world.clock.time += wait
            await world.resolver.addresses("a.example")
            assert world.server.asked("a.example", "A") == asked

    @pytest.mark.parametrize(("minimum", "kept"), [(60, 60), (10**6, 900)])
    async def test_no_such_name_is_good_for_as_long_as_the_zone_says(
        self, world: World, minimum: int, kept: float
    ) -> None:
        world.zone.minimum = minimum
        for wait, asked in ((0, 1), (kept - 1, 1), (2, 2)):
            world.clock.time += wait
            with pytest.raises(NoSuchName):
                await world.resolver.mx("gone.example")
            assert world.server.asked("gone.example", "MX") == asked

    async def test_trouble_is_good_for_a_moment_only(self, world: World) -> None:
        world.zone.failing.add("a.example")
        for wait, asked in ((0, 1), (resolving.TROUBLE - 1, 1), (2, 2)):
            world.clock.time += wait
            with pytest.raises(DnsTrouble):
                await world.resolver.mx("a.example")
            assert world.server.asked("a.example", "MX") == asked

    async def test_one_question_is_under_way_at_a_time(self, world: World) -> None:
        world.add("a.example", "MX", "10 mx.example.")
        world.server.released.clear()
        waiting = [
            asyncio.create_task(world.resolver.mx("a.example")) for _ in range(20)
        ]
        await asyncio.sleep(0)
        waiting[0].cancel()  # the one who began it gives up
        world.server.released.set()

        answers = await asyncio.gather(*waiting, return_exceptions=True)

        assert isinstance(answers[0], asyncio.CancelledError)
        assert all(answer == answers[1] != () for answer in answers[1:])
        assert world.server.asked("a.example", "MX") == 1

    async def test_memory_is_bounded_and_keeps_what_is_used(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(resolving, "MAX_KEPT", 3)
        for name in "abcd":
            world.add(f"{name}.example", "MX", "0 mx.example.")
            await world.resolver.mx(f"{name}.example")
            await world.resolver.mx("a.example")
        await world.resolver.mx("b.example")

        assert world.server.asked("a.example", "MX") == 1
        assert world.server.asked("b.example", "MX") == 2


class TestPolicies:
    async def test_a_policy_may_choose_among_the_servers(self, world: World) -> None:
        class OnlyB:
            async def apply(
                self, domain: str, targets: Targets
            ) -> Targets | Unreachable:
                hosts = tuple(h for h in targets.hosts if h.name == "b.example")
                return replace(targets, hosts=hosts)

        world.add("x.example", "MX", "10 a.example.", "20 b.example.")
        world.add("a.example", "A", "192.0.2.1")
        world.add("b.example", "A", "192.0.2.2")
        finder = MxFinder(world.resolver, world.here, policies=[OnlyB()])

        host = MxHost(name="b.example", preference=20, addresses=("192.0.2.2",))
        assert await finder.find("x.example") == Targets(hosts=(host,))


class TestLocator:
    def config(self, *routes: Route, **delivery: object) -> Config:
        return Config(
            spool=SpoolConfig(queues="q.*"),
            delivery=DeliveryConfig(routes=routes, **delivery),  # type: ignore[arg-type]
        )

    def route(self, via: Via) -> Route:
        return Route(via=via, options=Options())

    async def located(
        self, config: Config, domain: bytes
    ) -> tuple[NextHop, ...] | Unreachable:
        locator = Locator(config, SystemClock(), chance=random.Random(1))
        key = RouteTable(config.delivery).key(b"", domain)
        try:
            return await locator.locate(key)
        finally:
            await locator.close()

    async def test_a_smarthost_is_one_place(self) -> None:
        config = self.config(smarthost="[2001:db8::1]:587")
        assert await self.located(config, b"a.example") == (
            NextHop(host="2001:db8::1", port=587),
        )

    async def test_mx_gives_addresses_under_the_servers_names(
        self, server: DnsServer
    ) -> None:
        server.zone.add("a.example", "MX", "10 mx.example.")
        server.zone.add("mx.example", "A", "127.0.0.1")
        config = self.config(
            self.route(Via(means=Means.MX, port=2525)),
            nameservers=(server.address,),
            mx_to_self=True,
        )
        hop = NextHop(host="mx.example", port=2525, address="127.0.0.1")
        assert await self.located(config, b"a.example") == (hop,)
        assert str(hop) == "mx.example[127.0.0.1]:2525"

    async def test_lmtp_is_a_socket_or_a_port(self) -> None:
        socket_ = self.config(self.route(Via(means=Means.LMTP, text="/run/lmtp")))
        port = self.config(self.route(Via(means=Means.LMTP, host="a", port=24)))

        assert [
            [str(hop) for hop in await self.located(config, b"a.example")]  # type: ignore[union-attr]
            for config in (socket_, port)
        ] == [["lmtp:/run/lmtp"], ["lmtp:a:24"]]

    async def test_a_pool_is_drawn_by_weight_with_backups_last(self) -> None:
        members = (
            Member(host="heavy", port=25, weight=9),
            Member(host="light", port=25),
            Member(host="backup", port=25, weight=1000, backup=True),
        )
        config = self.config(
            self.route(Via(means=Means.POOL, text="out")),
            pools=(Pool(name="out", members=members),),
        )
        locator = Locator(config, SystemClock(), chance=random.Random(1))
        key = RouteTable(config.delivery).key(b"", b"a.example")

        orders: Counter[tuple[str, ...]] = Counter()
        for _ in range(1000):
            hops = await locator.locate(key)
            assert isinstance(hops, tuple)
            orders[tuple(hop.host for hop in hops)] += 1

        assert set(orders) == {
            ("heavy", "light", "backup"),
            ("light", "heavy", "backup"),
        }
        assert 850 < orders["heavy", "light", "backup"] < 950

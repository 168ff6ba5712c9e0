"""Delivery to a real Postfix smtpd: what it demands, and what it got in the end.

Each test lets ``tuiq --run`` deliver to one of the smtpds of ``SERVERS``, which one
instance runs, and counts what stands in Postfix's mailbox.
"""

from __future__ import annotations

import itertools
import os
import re
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from tests.peers import postfix
from tests.peers.mailbox import Mailbox, Policy
from tests.runner.world import ME, PATIENCE, World, wait_for
from tuiq.spool.answers import Verb

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ACCESS = """\
/^no/ 550 5.1.1 no such user
/^later/ 450 4.2.1 busy
/^hangup/ 421 4.3.2 going down
"""
_PIPELINED = {
    "few": {"smtpd_recipient_limit": "7"},
    "picky": {"smtpd_recipient_restrictions": "$access"},
    "strict": {
        "smtpd_recipient_restrictions": "$access",
        "smtpd_hard_error_limit": "4",
    },
}
SERVERS = {
    "plain": {},
    "7 bit": {"smtpd_discard_ehlo_keywords": "8bitmime"},
    "ASCII": {"smtpd_discard_ehlo_keywords": "smtputf8"},
    "small": {"message_size_limit": "100000"},
    "small, silent": {
        "message_size_limit": "100000",
        "smtpd_discard_ehlo_keywords": "size",
    },
    **_PIPELINED,
    **{
        f"{name}, in turn": options | {"smtpd_discard_ehlo_keywords": "pipelining"}
        for name, options in _PIPELINED.items()
    },
    "greylisting": {"smtpd_recipient_restrictions": "$policy"},
    "pensive": {"smtpd_end_of_data_restrictions": "$policy"},
    "watchful": {
        "smtpd_recipient_restrictions": "$access",
        "smtpd_data_restrictions": "reject_unauth_pipelining",
        "smtpd_end_of_data_restrictions": "reject_unauth_pipelining",
    },
    "impatient": {"smtpd_timeout": "1s"},
    "crowded": {
        "smtpd_client_connection_count_limit": "2",
        "smtpd_client_event_limit_exceptions": "",
    },
    "TLS": {"smtpd_tls_security_level": "may"},
    "TLS only": {"smtpd_tls_security_level": "encrypt"},
    "old TLS": {
        "smtpd_tls_security_level": "may",
        "smtpd_tls_protocols": "TLSv1",
    },
}
"""The options of each smtpd by its name."""


def both_ways(name: str) -> pytest.MarkDecorator:
    """Run a test with the server *name*, with and without PIPELINING."""
    return pytest.mark.parametrize("server", [name, f"{name}, in turn"])


class Certificates:
    """An authority, and the settings of a server it vouches for."""

    def __init__(self, where: Path) -> None:
        self.authority = where / "authority.pem"
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.authority)
        server = authority.issue_cert("127.0.0.1")
        certificate, key = where / "cert.pem", where / "key.pem"
        server.cert_chain_pems[0].write_to_path(certificate)
        server.private_key_pem.write_to_path(key)
        self.main = {
            "smtpd_tls_cert_file": str(certificate),
            "smtpd_tls_key_file": str(key),
            "smtpd_tls_received_header": "yes",
            "smtpd_tls_loglevel": "1",
        }


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def running(certificates: Certificates) -> Iterator[Mailbox]:
    postfix.require()
    with postfix.folder() as where, Policy() as policy:
        table = where / "access"
        table.write_text(ACCESS)
        access = f"check_recipient_access regexp:{table}"
        main = {"access": access, **certificates.main}
        mailbox = Mailbox(where, policy, main, SERVERS)
        with mailbox.postfix:
            yield mailbox


@pytest.fixture
def mailbox(running: Mailbox) -> Mailbox:
    """The servers, with nothing in the mailbox."""
    running.messages()
    running.clear()
    return running


def aim(world: World, mailbox: Mailbox, server: str, **delivery: Any) -> None:
    """Send all mail to *server*."""
    port = mailbox.ports[server]
    world.configure(delivery={"smarthost": f"127.0.0.1:{port}", **delivery})


def deliver(world: World, mailbox: Mailbox, server: str, **delivery: Any) -> None:
    """Run one pass to *server*."""
    aim(world, mailbox, server, **delivery)
    done = world.run("--run", "--once")
    assert done.returncode == (os.EX_TEMPFAIL if world.ids() else 0), done.stderr


def flush(world: World, *ids: str) -> None:
    for queue_id in ids:
        world.operate(Verb.FLUSH, queue_id)


def addresses(count: int) -> list[bytes]:
    return [b"u%d@there.invalid" % number for number in range(count)]


def told(world: World, event: str, recipient: bytes) -> list[tuple[int, str]]:
    """Return code and status of each line of the journal on *recipient*."""
    return [
        (line["code"], line["status"])
        for line in world.journal(event)
        if recipient.decode() in [address for _, address in line["recipients"]]
    ]


# -- content -------------------------------------------------------------------


def test_data_arrives_byte_for_byte(world: World, mailbox: Mailbox) -> None:
    lines = [b".", b"..", b".leading", b"", b"x" * 990, b"caf\xc3\xa9 \xff", b"From me"]
    body = b"".join(line + b"\r\n" for line in lines)
    world.submit(data=b"Subject: bytes\r\n\r\n" + body)
    deliver(world, mailbox, "plain")
    (message,) = mailbox.messages()
    assert message.get_payload(decode=True) == body.replace(b"\r\n", b"\n")
    assert world.ids() == set()


def test_8bit_data_goes_to_a_server_without_8bitmime(
    world: World, mailbox: Mailbox
) -> None:
    world.submit(data=b"Subject: 8 bits\r\n\r\ncaf\xc3\xa9\r\n")
    deliver(world, mailbox, "7 bit")
    (message,) = mailbox.messages()
    assert message.get_payload(decode=True) == b"caf\xc3\xa9\n"


def test_an_international_address_goes_where_smtputf8_is_offered(
    world: World, mailbox: Mailbox
) -> None:
    world.submit("jürgen@there.invalid".encode(), smtputf8=True)
    deliver(world, mailbox, "plain")
    assert mailbox.recipients() == {"jürgen@there.invalid".encode(): 1}
    assert world.ids() == set()


def test_an_international_address_fails_where_smtputf8_is_not_offered(
    world: World, mailbox: Mailbox
) -> None:
    name = "jürgen@there.invalid"
    world.submit(name.encode(), smtputf8=True, notify=b"NEVER")
    deliver(world, mailbox, "ASCII")
    assert told(world, "failed", name.encode()) == [(550, "5.6.7")]
    assert mailbox.messages() == []
    assert world.ids() == set()


# -- size ----------------------------------------------------------------------


@pytest.mark.parametrize("server", ["small", "small, silent"])
def test_what_is_too_large_fails_for_good_and_the_rest_goes_on(
    world: World, mailbox: Mailbox, server: str
) -> None:
    big = b"big@there.invalid"
    world.submit(big, data=b"Subject: big\r\n\r\n" + b"0123456789\r\n" * 20_000)
    for address in addresses(10):
        world.submit(address)
    deliver(world, mailbox, server)
    assert told(world, "failed", big) == [(552, "5.3.4")]
    # ME gets the bounce, through the same server.
    assert mailbox.recipients() == Counter([*addresses(10), ME])
    assert world.ids() == set()


def test_what_is_too_large_is_not_even_offered(world: World, mailbox: Mailbox) -> None:
    world.submit(
        data=b"Subject: big\r\n\r\n" + b"0123456789\r\n" * 20_000, notify=b"NEVER"
    )
    deliver(world, mailbox, "small")
    mailbox.says("ehlo=1 quit=1 commands=2")
    assert "mail=" not in mailbox.log()
    assert len(world.journal("failed")) == 1


# -- recipients ----------------------------------------------------------------


@both_ways("few")
def test_a_recipient_limit_below_the_batch_gets_everybody_once(
    world: World, mailbox: Mailbox, server: str
) -> None:
    many = world.submit(*addresses(60))
    deliver(world, mailbox, server, recipients_per_transaction=50)
    assert mailbox.recipients() == Counter(addresses(60))
    assert many not in world.ids()
    assert world.journal("deferred") == []


@both_ways("picky")
def test_each_recipient_gets_the_servers_verdict_on_it(
    world: World, mailbox: Mailbox, server: str
) -> None:
    everybody = [b"no@there.invalid", b"later@there.invalid", *addresses(10)]
    queue_id = world.submit(*everybody, notify=b"NEVER")
    deliver(world, mailbox, server)
    assert world.states(queue_id) == b"BT" + b"D" * 10
    reasons = [(view.code, view.status) for view in world.entry(queue_id).recipients()]
    assert reasons[:2] == [(b"550", b"5.1.1"), (b"450", b"4.2.1")]
    assert mailbox.recipients() == Counter(addresses(10))
    assert len(set(queued(mailbox))) == 1


def queued(mailbox: Mailbox) -> list[str]:
    """Return the queue ids that Postfix gave."""
    return re.findall(r"smtpd\[\d+\]: (\w+): client=", mailbox.log())


@both_ways("picky")
def test_a_transaction_for_nobody_leaves_the_session_usable(
    world: World, mailbox: Mailbox, server: str
) -> None:
    for number in range(5):
        world.submit(b"no@there.invalid", notify=b"NEVER")
        world.submit(b"u%d@there.invalid" % number)
    deliver(world, mailbox, server, concurrency=1, initial_concurrency=1)
    assert told(world, "failed", b"no@there.invalid") == [(550, "5.1.1")] * 5
    assert mailbox.recipients() == Counter(addresses(5))
    assert world.journal("deferred") == []


def test_commands_that_leave_with_a_dot_are_authorised_pipelining(
    world: World, mailbox: Mailbox
) -> None:
    for number in range(60):
        world.submit(b"u%d@there.invalid" % number)
        if number % 10 == 0:
            world.submit(b"no@there.invalid", notify=b"NEVER")
    aim(world, mailbox, "watchful", concurrency=1, initial_concurrency=1)
    done = world.run("--run", "--once", "-v")
    assert done.returncode == 0, done.stderr
    said = [line[:8] for line in done.stderr.splitlines()]
    early = list(itertools.pairwise(said)).count(("<<< 354 ", ">>> MAIL"))
    assert early >= 30
    assert told(world, "failed", b"no@there.invalid") == [(550, "5.1.1")] * 6
    assert mailbox.recipients() == Counter(addresses(60))
    assert world.journal("deferred") == []
    assert len(queued(mailbox)) == 60
    assert "improper command pipelining" not in mailbox.log()


# -- refusals for a while ------------------------------------------------------


def test_greylisted_mail_is_deferred_and_delivered_when_tried_again(
    world: World, mailbox: Mailbox
) -> None:
    seen: set[tuple[str, ...]] = set()

    def greylist(asked: dict[str, str]) -> str:
        triple = asked["client_address"], asked["sender"], asked["recipient"]
        if triple in seen:
            return "DUNNO"
        seen.add(triple)
        return "450 4.2.0 Greylisted, come back later"

    mailbox.policy.decide = greylist
    first = world.submit(*addresses(4))
    deliver(world, mailbox, "greylisting")
    assert world.states(first) == b"TTTT"
    reply = world.entry(first).last_reply
    assert reply.startswith(b"450 4.2.0 ")
    assert b"Greylisted, come back later" in reply
    # The server knows the triples by now: who comes second is let in first.
    second = world.submit(*addresses(4), b"other@there.invalid")
    deliver(world, mailbox, "greylisting")
    assert world.states(second) == b"DDDDT"
    flush(world, first, second)
    deliver(world, mailbox, "greylisting")
    assert mailbox.recipients() == Counter(addresses(4) * 2 + [b"other@there.invalid"])
    assert world.ids() == set()


def test_an_objection_after_the_dot_speaks_for_all_recipients(
    world: World, mailbox: Mailbox
) -> None:
    answers = iter(["450 4.7.1 let me think", "DUNNO"])
    mailbox.policy.decide = lambda _: next(answers)
    queue_id = world.submit(*addresses(3))
    deliver(world, mailbox, "pensive")
    assert world.states(queue_id) == b"TTT"
    assert b"let me think" in world.entry(queue_id).last_reply
    assert mailbox.messages() == []
    flush(world, queue_id)
    deliver(world, mailbox, "pensive")
    assert mailbox.recipients() == Counter(addresses(3))
    assert world.ids() == set()


# -- sessions that end too soon ------------------------------------------------


@both_ways("strict")
def test_too_many_errors_cost_a_session_and_nobody_their_mail(
    world: World, mailbox: Mailbox, server: str
) -> None:
    bad = [b"no%d@there.invalid" % number for number in range(10)]
    mixed = [name for pair in zip(bad, addresses(10), strict=True) for name in pair]
    queue_id = world.submit(*mixed, notify=b"NEVER")
    deliver(world, mailbox, server)
    # Four are refused, then the server has had enough.
    assert Counter(world.states(queue_id)) == Counter(b"B" * 4 + b"T" * 16)
    assert world.entry(queue_id).last_reply.startswith(b"421 4.7.0 ")
    assert mailbox.messages() == []
    for _ in range(2):
        flush(world, queue_id)
        deliver(world, mailbox, server)
    assert world.ids() == set()
    for name in bad:
        assert told(world, "failed", name) == [(550, "5.1.1")]
    assert mailbox.recipients() == Counter(addresses(10))


@both_ways("picky")
def test_a_421_for_one_recipient_defers_the_transaction(
    world: World, mailbox: Mailbox, server: str
) -> None:
    mixed = [*addresses(2), b"hangup@there.invalid", *addresses(4)[2:]]
    queue_id = world.submit(*mixed)
    deliver(world, mailbox, server)
    assert world.states(queue_id) == b"TTTTT"
    assert world.entry(queue_id).last_reply.startswith(b"421 4.3.2 ")
    assert mailbox.messages() == []
    flush(world, queue_id)
    deliver(world, mailbox, "plain")
    assert mailbox.recipients() == Counter(mixed)
    assert world.ids() == set()


def test_a_session_that_the_server_gave_up_costs_no_attempt(
    world: World, mailbox: Mailbox
) -> None:
    aim(world, mailbox, "impatient", idle_timeout=30.0)
    with world.process():
        world.submit(b"u0@there.invalid")
        wait_for(lambda: not world.ids())
        mailbox.says("timeout after")
        world.submit(b"u1@there.invalid")
        wait_for(lambda: not world.ids())
    assert mailbox.recipients() == Counter(addresses(2))
    assert world.journal("deferred") == []


def test_a_limit_of_connections_is_lived_with(world: World, mailbox: Mailbox) -> None:
    many = addresses(40)
    for address in many:
        world.submit(address)
    deliver(world, mailbox, "crowded", concurrency=8, initial_concurrency=8)
    mailbox.says("Connection concurrency limit exceeded")
    assert mailbox.recipients() == Counter(many)
    assert world.ids() == set()


def test_a_restart_of_the_server_loses_and_doubles_nothing(
    world: World, mailbox: Mailbox
) -> None:
    places, stopped = itertools.count(), threading.Event()

    def stop(_: dict[str, str]) -> str:
        if next(places) == 50:
            mailbox.postfix.stop()
            stopped.set()
        return "DUNNO"

    mailbox.policy.decide = stop
    many = addresses(150)
    ids = [world.submit(address) for address in many]
    aim(world, mailbox, "pensive")
    with world.process() as process:
        wait_for(stopped.is_set)
        wait_for(lambda: world.journal("in_doubt"))
        process.terminate()
        assert process.wait(PATIENCE) == 0
    assert 0 < len(world.ids()) < len(many)
    mailbox.postfix.start()
    flush(world, *ids)
    deliver(world, mailbox, "pensive")
    assert world.ids() == set()
    got = mailbox.recipients()
    assert set(got) == set(many)
    doubtful = sum(len(line["recipients"]) for line in world.journal("in_doubt"))
    # The one that the server was asked about when it died is in doubt and came once.
    assert got.total() - len(many) < doubtful


# -- TLS -----------------------------------------------------------------------


def encrypted(mailbox: Mailbox) -> list[bool]:
    """Say of each message that arrived whether it came by TLS."""
    return ["using TLSv1" in message["Received"] for message in mailbox.messages()]


@pytest.mark.parametrize(("server", "offered"), [("TLS", True), ("plain", False)])
def test_opportunistic_tls_takes_what_is_offered(
    world: World, mailbox: Mailbox, server: str, offered: bool
) -> None:
    world.submit(*addresses(3))
    deliver(world, mailbox, server)
    assert encrypted(mailbox) == [offered] * 3


def test_opportunistic_tls_goes_on_without_it_when_it_does_not_work(
    world: World, mailbox: Mailbox
) -> None:
    world.submit(*addresses(3))
    deliver(world, mailbox, "old TLS")
    mailbox.says("SSL_accept error")
    assert encrypted(mailbox) == [False] * 3
    assert world.ids() == set()


def test_required_tls_delivers_to_a_server_with_the_right_certificate(
    world: World, mailbox: Mailbox, certificates: Certificates
) -> None:
    world.submit(*addresses(3))
    trusted = str(certificates.authority)
    verified = {"tls": "require", "tls_verify": True, "tls_ca_file": trusted}
    deliver(world, mailbox, "TLS only", **verified)
    assert encrypted(mailbox) == [True] * 3
    assert world.ids() == set()


def test_required_tls_sends_nothing_to_a_server_with_another_certificate(
    world: World, mailbox: Mailbox, tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    queue_id = world.submit()
    verified = {"tls": "require", "tls_verify": True, "tls_ca_file": str(other)}
    deliver(world, mailbox, "TLS", **verified)
    assert world.journal("connection")[0]["status"] == "4.7.5"
    untouched(world, mailbox, queue_id)
    mailbox.says("SSL_accept error")


def test_required_tls_sends_nothing_to_a_server_without_it(
    world: World, mailbox: Mailbox
) -> None:
    queue_id = world.submit()
    deliver(world, mailbox, "plain", tls="require")
    assert world.journal("connection")[0]["status"] == "4.7.4"
    untouched(world, mailbox, queue_id)


def untouched(world: World, mailbox: Mailbox, queue_id: str) -> None:
    """Check that the message waits and that the server has not heard of it."""
    assert world.states(queue_id) == b"T"
    mailbox.says("disconnect from")
    assert "mail=" not in mailbox.log()
    assert mailbox.messages() == []

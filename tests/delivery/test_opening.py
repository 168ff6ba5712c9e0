"""TLS and AUTH: who is trusted with what, and what happens when it fails."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from tests.delivery.test_failures import fails_to_open
from tests.delivery.world import Watcher, batch, deliver, hop, settings
from tuiq.delivery import smtp
from tuiq.delivery.smtp import Session
from tuiq.delivery.tls import CredentialsUnusable, read_password
from tuiq.delivery.transport import DestinationFailed
from tuiq.demo.script import Act, Script
from tuiq.demo.server import ScriptedServer
from tuiq.mail.outcome import Verdict

if TYPE_CHECKING:
    from pathlib import Path

DELIVERED = Verdict.DELIVERED
BROKEN = Act(reply=b"220 go", drop=True)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def certified(authority: trustme.CA) -> ssl.SSLContext:
    """A server's context for 127.0.0.1."""
    return context(authority, "127.0.0.1")


@pytest.fixture
def trust(authority: trustme.CA, tmp_path: Path) -> Path:
    """The authority's certificate as a file."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture
def password(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text("s3cret\nsecond line\n")
    path.chmod(0o600)
    return path


def context(authority: trustme.CA, name: str) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(made)
    return made


async def test_starttls_is_used_where_offered(certified: ssl.SSLContext) -> None:
    async with ScriptedServer(Script(tls=certified)) as server:
        transaction = batch()
        await deliver(server, transaction)
    assert transaction.verdicts == [DELIVERED] * 3
    assert server.received[0].tls
    envelope = [s for s in server.segments if s.startswith(b"MAIL")]
    assert envelope[0].endswith(b"DATA\r\n"), "no pipelining over TLS"


async def test_tls_none_never_asks_for_it(certified: ssl.SSLContext) -> None:
    async with ScriptedServer(Script(tls=certified)) as server:
        await deliver(server, batch(), tls="none")
    assert not server.received[0].tls


@pytest.mark.parametrize("act", [BROKEN, b"454 4.7.0 Not now", Act(drop=True)])
async def test_a_failed_opportunistic_handshake_gets_one_plain_connection(
    certified: ssl.SSLContext, act: Act | bytes
) -> None:
    watcher = Watcher()
    async with ScriptedServer(Script(tls=certified, starttls=act)) as server:
        transaction = batch()
        await deliver(server, transaction, watcher=watcher)
    assert transaction.verdicts == [DELIVERED] * 3
    assert not server.received[0].tls
    assert server.connections == 2
    (note,) = watcher.notes
    assert "STARTTLS failed, going on without TLS" in note


@pytest.mark.parametrize("act", [BROKEN, b"454 4.7.0 Not now"])
async def test_a_failed_required_handshake_is_the_destinations_trouble(
    certified: ssl.SSLContext, act: Act | bytes
) -> None:
    async with ScriptedServer(Script(tls=certified, starttls=act)) as server:
        failure = await fails_to_open(server, tls="require")
    assert failure.reply.enhanced.startswith(b"4.7.")
    assert server.connections == 1


async def test_required_tls_that_is_not_offered_is_the_destinations_trouble() -> None:
    async with ScriptedServer() as server:
        failure = await fails_to_open(server, tls="require")
    assert failure.reply.enhanced == b"4.7.4"
    assert not any(line.startswith(b"MAIL") for line in server.commands)


async def test_implicit_tls_encrypts_from_the_first_byte(
    certified: ssl.SSLContext, trust: Path
) -> None:
    script = Script(tls=certified, implicit_tls=True)
    async with ScriptedServer(script) as server:
        transaction = batch(pieces=(b"x" * 76 + b"\r\n",) * 50_000)
        given: Any = {"tls": "implicit", "tls_verify": True, "tls_ca_file": trust}
        await deliver(server, transaction, **given)
    assert transaction.verdicts == [DELIVERED] * 3
    assert server.received[0].tls
    assert len(server.received[0].data) == 78 * 50_000


async def test_implicit_tls_to_a_plain_server_is_the_destinations_trouble() -> None:
    async with ScriptedServer() as server:
        failure = await fails_to_open(server, tls="implicit", greeting_timeout=2.0)
    assert failure.reply.enhanced == b"4.7.5"


async def test_a_certificate_of_a_known_authority_and_the_right_name_is_taken(
    certified: ssl.SSLContext, trust: Path
) -> None:
    async with ScriptedServer(Script(tls=certified)) as server:
        given: Any = {"tls": "require", "tls_verify": True, "tls_ca_file": trust}
        await deliver(server, batch(), **given)
    assert server.received[0].tls


@pytest.mark.parametrize("setting", ["require", "opportunistic"])
async def test_with_verification_a_wrong_name_is_never_sent_to(
    authority: trustme.CA, trust: Path, setting: str
) -> None:
    wrong = context(authority, "other.invalid")
    async with ScriptedServer(Script(tls=wrong)) as server:
        failure = await fails_to_open(
            server, tls=setting, tls_verify=True, tls_ca_file=trust
        )
    assert failure.reply.enhanced == b"4.7.5"
    assert b"certificate" in failure.reply.text.lower()
    assert server.connections == 1


async def test_with_verification_an_unknown_authority_is_never_sent_to(
    trust: Path,
) -> None:
    stranger = context(trustme.CA(), "127.0.0.1")
    async with ScriptedServer(Script(tls=stranger)) as server:
        await fails_to_open(server, tls="require", tls_verify=True, tls_ca_file=trust)


async def test_a_missing_authority_file_says_which_setting_to_mend(
    tmp_path: Path,
) -> None:
    async with ScriptedServer() as server:
        failure = await fails_to_open(
            server, tls_verify=True, tls_ca_file=tmp_path / "none.pem"
        )
    assert failure.reply.enhanced == b"4.3.5"
    assert b"delivery.tls_ca_file" in failure.reply.text
    assert server.connections == 0


@pytest.mark.parametrize("mechanisms", [b"AUTH PLAIN", b"AUTH LOGIN"])
async def test_login_with_the_first_line_of_the_password_file(
    password: Path, mechanisms: bytes
) -> None:
    watcher = Watcher()
    script = Script(users={"me": "s3cret"}, extensions=(b"PIPELINING", mechanisms))
    async with ScriptedServer(script) as server:
        given: Any = {"username": "me", "password_file": password}
        await deliver(server, batch(), watcher=watcher, **given)
    assert server.received[0].authenticated == "me"
    told = b"\n".join(line for who, line in watcher.lines if who == "C")
    assert b"s3cret" not in told
    assert b"AUTH (not shown)" in told
    assert b"czNjcmV0" not in told, "the password in base64"


async def test_login_over_starttls_with_the_mechanisms_offered_there(
    certified: ssl.SSLContext, password: Path
) -> None:
    script = Script(tls=certified, users={"me": "s3cret"})
    async with ScriptedServer(script) as server:
        await deliver(server, batch(), username="me", password_file=password)
    assert server.received[0].tls
    assert server.received[0].authenticated == "me"


async def test_a_wrong_password_is_the_destinations_trouble(password: Path) -> None:
    script = Script(users={"me": "other"}, plain_auth=True)
    async with ScriptedServer(script) as server:
        failure = await fails_to_open(server, username="me", password_file=password)
    assert failure.reply.enhanced == b"4.7.8"
    assert b"535 5.7.8" in failure.reply.text


async def test_a_server_without_auth_is_the_destinations_trouble(
    password: Path,
) -> None:
    async with ScriptedServer() as server:
        failure = await fails_to_open(server, username="me", password_file=password)
    assert failure.reply.enhanced.startswith(b"4.7.")


async def test_no_password_leaves_without_tls_unless_to_loopback(
    password: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "is_loopback", lambda _: False)
    script = Script(users={"me": "s3cret"}, plain_auth=True)
    async with ScriptedServer(script) as server:
        failure = await fails_to_open(server, username="me", password_file=password)
    assert failure.reply.enhanced == b"4.7.11"
    assert b"AUTH" not in server.commands
    assert not any(b"AUTH" in segment for segment in server.segments)


async def test_no_password_leaves_after_a_broken_handshake(
    certified: ssl.SSLContext, password: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "is_loopback", lambda _: False)
    script = Script(
        tls=certified, starttls=BROKEN, users={"me": "s3cret"}, plain_auth=True
    )
    async with ScriptedServer(script) as server:
        await fails_to_open(server, username="me", password_file=password)
    assert not any(b"AUTH" in segment for segment in server.segments)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_password_others_can_read_is_refused(password: Path, mode: int) -> None:
    password.chmod(mode)
    with pytest.raises(CredentialsUnusable, match="chmod 600"):
        read_password(password)


def test_a_password_file_must_be_a_file_with_a_first_line(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo, 0o600)
    empty = tmp_path / "empty"
    empty.touch(0o600)
    for path in (fifo, empty, tmp_path / "missing", tmp_path, None):
        with pytest.raises(CredentialsUnusable):
            read_password(path)


async def test_an_unusable_password_is_told_without_connecting(tmp_path: Path) -> None:
    async with ScriptedServer() as server:
        failure = await fails_to_open(server, username="me", password_file=tmp_path)
    assert failure.reply.enhanced == b"4.3.5"
    assert b"delivery.password_file" in failure.reply.text
    assert server.connections == 0


@pytest.mark.parametrize("name", ["", "two words", "höst", "a\r\nRSET"])
async def test_a_name_that_cannot_be_said_in_ehlo_names_the_setting(name: str) -> None:
    async with ScriptedServer() as server:
        with pytest.raises(DestinationFailed, match=r"set submission\.hostname"):
            await Session.open(
                hop(server), settings(), hostname=name, watcher=Watcher()
            )
    assert server.connections == 0

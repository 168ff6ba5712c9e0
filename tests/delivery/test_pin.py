"""Tested at upgrade: the insides of aiosmtplib that the takeover stands on."""

from __future__ import annotations

import asyncio
import inspect

import aiosmtplib
import pytest

from tests.delivery.world import Watcher, hop, settings
from tuiq.delivery import pipeline
from tuiq.delivery.pipeline import UnknownLibrary, check_library, take_over
from tuiq.delivery.replies import Garbage
from tuiq.delivery.smtp import Session
from tuiq.delivery.transport import DestinationFailed
from tuiq.demo.server import ScriptedServer


def test_the_installed_version_is_the_tested_one() -> None:
    check_library()


@pytest.mark.parametrize("version", ["5.0.9", "5.2.0", "6.0", "4.9.1"])
def test_another_version_is_refused_with_the_remedy(version: str) -> None:
    with pytest.raises(UnknownLibrary, match=r"install aiosmtplib 5\.1\.x"):
        check_library(version)


async def test_a_session_over_an_unknown_version_is_refused_before_connecting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with ScriptedServer() as server:
        unknown = inspect.signature(check_library).replace()
        assert unknown.parameters["version"].default == aiosmtplib.__version__
        monkeypatch.setattr(pipeline.check_library, "__defaults__", ("5.2.0",))
        with pytest.raises(DestinationFailed, match="not tested with this tuiq"):
            await Session.open(
                hop(server), settings(), hostname="client.invalid", watcher=Watcher()
            )
    assert server.connections == 0


async def test_after_the_takeover_the_library_holds_nothing() -> None:
    async with ScriptedServer() as server:
        client = aiosmtplib.SMTP(hostname=server.host, port=server.port)
        await client.connect(start_tls=False)
        protocol = client.protocol
        wire = take_over(client, Watcher())
        assert client.protocol is None
        assert client.transport is None
        assert not client.is_connected
        wire.send(b"NOOP\r\nNOOP\r\nNOOP\r\n")
        replies = await wire.take(3, 5.0)
        assert [reply.code for reply in replies] == [250] * 3
        assert protocol is not None
        assert not protocol._buffer, "the library still reads"
        await wire.close(5.0)


async def test_what_was_said_unasked_before_the_takeover_refuses_it() -> None:
    async with ScriptedServer() as server:
        client = aiosmtplib.SMTP(hostname=server.host, port=server.port)
        await client.connect(start_tls=False)
        assert client.protocol is not None
        client.protocol._buffer += b"250 Surprise\r\n"
        with pytest.raises(Garbage, match="Surprise"):
            take_over(client, Watcher())
        client.close()


async def test_a_connection_gone_before_the_takeover_refuses_it() -> None:
    async with ScriptedServer() as server:
        client = aiosmtplib.SMTP(hostname=server.host, port=server.port)
        await client.connect(start_tls=False)
        client.close()
        with pytest.raises(ConnectionError):
            take_over(client, Watcher())
        await asyncio.sleep(0)

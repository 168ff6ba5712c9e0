"""A very small HTTP server that answers every GET with one text.

For metrics: few clients, no keep-alive, and no client can make it wait, hold a
thread or use more than a handful of descriptors.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from tuiq.config import split_host_port

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 5.0
"""Seconds a client has for its request and for taking the answer."""
MOST_CLIENTS = 4
"""Clients at a time; a further one is hung up on."""
_LONGEST = 8192
_PATHS = frozenset({b"/", b"/metrics"})


class Endpoint:
    """Serves a text on one address; lives in an event loop."""

    def __init__(self, listen: str, text: Callable[[], bytes], kind: str) -> None:
        """Answer on *listen* with what *text* returns, of content type *kind*."""
        self._listen = listen
        self._text = text
        self._kind = kind
        self._clients = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Begin to listen; raise OSError when the address cannot be had."""
        host, port = split_host_port(self._listen, port=9154)
        self._server = await asyncio.start_server(
            self._serve, host, port, limit=_LONGEST, backlog=MOST_CLIENTS
        )

    @property
    def port(self) -> int:
        """Return the port that it listens on."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def stop(self) -> None:
        """Listen no more; what is being answered ends with the loop."""
        if self._server is not None:
            self._server.close()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._clients += 1
        try:
            if self._clients <= MOST_CLIENTS:
                async with asyncio.timeout(PATIENCE):
                    writer.write(self._answer(await _request(reader)))
                    await writer.drain()
                    writer.close()
                    await writer.wait_closed()
        except (OSError, ValueError, EOFError, asyncio.LimitOverrunError):
            pass  # the client's trouble
        finally:
            self._clients -= 1
            with contextlib.suppress(RuntimeError):  # the loop is gone
                writer.transport.abort()

    def _answer(self, request: bytes) -> bytes:
        """Return the whole response to a request line."""
        method, _, rest = request.partition(b" ")
        path = rest.split(b" ")[0].partition(b"?")[0]
        if method not in {b"GET", b"HEAD"}:
            return _response("405 Method Not Allowed", b"only GET\n")
        if path not in _PATHS:
            return _response("404 Not Found", b"see /metrics\n")
        return _response("200 OK", self._text(), self._kind, with_body=method == b"GET")


async def _request(reader: asyncio.StreamReader) -> bytes:
    """Return the request line; read up to the end of the headers."""
    head = await reader.readuntil(b"\r\n\r\n")
    return head.split(b"\r\n", 1)[0]


def _response(
    status: str, body: bytes, kind: str = "text/plain", *, with_body: bool = True
) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode("ascii") + (body if with_body else b"")

"""TCP connections, with running out of descriptors told apart from all else."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import socket
from typing import TYPE_CHECKING

from tuiq.delivery.transport import DestinationFailed, NoDescriptors
from tuiq.mail.reply import Reply

if TYPE_CHECKING:
    from tuiq.delivery.transport import NextHop

_OUT_OF_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE})


async def dial(next_hop: NextHop, patience: float) -> socket.socket:
    """Return a connected socket; each address gets *patience* seconds.

    Raises: DestinationFailed, NoDescriptors
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(patience):
            found = await loop.getaddrinfo(
                next_hop.host, next_hop.port, type=socket.SOCK_STREAM
            )
    except OSError as error:
        # The resolver calls its own lack of descriptors an unknown host.
        _socket(socket.AF_INET, 0).close()
        raise _failed(next_hop, b"4.4.3", "look up", error) from error
    failure: OSError = OSError(errno.EADDRNOTAVAIL, "no address")
    for family, _, number, _, address in found:
        try:
            return await _connect(_socket(family, number), address, patience)
        except OSError as error:
            failure = error
    raise _failed(next_hop, b"4.4.1", "connect to", failure) from failure


def _socket(family: int, number: int) -> socket.socket:
    try:
        made = socket.socket(family, socket.SOCK_STREAM, number)
    except OSError as error:
        if error.errno in _OUT_OF_DESCRIPTORS:
            raise NoDescriptors(
                f"no connection: {error.strerror}; raise the limit of open files"
            ) from error
        raise
    made.setblocking(False)
    return made


async def _connect(
    made: socket.socket, address: tuple[object, ...], patience: float
) -> socket.socket:
    try:
        async with asyncio.timeout(patience):
            await asyncio.get_running_loop().sock_connect(made, address)
    except BaseException:
        made.close()
        raise
    return made


def _failed(
    next_hop: NextHop, status: bytes, verb: str, error: OSError
) -> DestinationFailed:
    # asyncio puts its own words in the place of the system's.
    told = error.strerror if isinstance(error, socket.gaierror) else ""
    why = told or (os.strerror(error.errno) if error.errno else "timed out")
    text = f"cannot {verb} {next_hop}: {why}".encode("utf-8", "backslashreplace")
    return DestinationFailed(next_hop, Reply(code=451, enhanced=status, text=text))


def is_loopback(peer: socket.socket) -> bool:
    """Say whether the other end of a connected socket is this machine."""
    host = str(peer.getpeername()[0]).partition("%")[0]
    return ipaddress.ip_address(host).is_loopback

"""TCP connections, with running out of descriptors told apart from all else."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import socket
from typing import TYPE_CHECKING, Any

from tuiq.delivery.transport import DestinationFailed, NoDescriptors
from tuiq.mail.reply import Reply

if TYPE_CHECKING:
    from tuiq.delivery.transport import NextHop

_OUT_OF_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE})


async def dial(next_hop: NextHop, patience: float) -> socket.socket:
    """Return a connected socket; each address gets *patience* seconds.

    Raises: DestinationFailed, NoDescriptors
    """
    failure: OSError = OSError(errno.EADDRNOTAVAIL, "no address")
    for family, address in await _addresses(next_hop, patience):
        try:
            return await _connect(new_socket(family), address, patience)
        except OSError as error:
            failure = error
    raise _failed(next_hop, b"4.4.1", "connect to", failure) from failure


async def _addresses(next_hop: NextHop, patience: float) -> list[tuple[int, Any]]:
    """Return family and address of each place where *next_hop* may be."""
    if next_hop.path:
        return [(socket.AF_UNIX, next_hop.path)]
    if next_hop.address:
        family = socket.AF_INET6 if ":" in next_hop.address else socket.AF_INET
        return [(family, (next_hop.address, next_hop.port))]
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(patience):
            found = await loop.getaddrinfo(
                next_hop.host, next_hop.port, type=socket.SOCK_STREAM
            )
    except OSError as error:
        # The resolver calls its own lack of descriptors an unknown host.
        check_descriptors()
        raise _failed(next_hop, b"4.4.3", "look up", error) from error
    return [(family, address) for family, _, _, _, address in found]


def check_descriptors() -> None:
    """Raise NoDescriptors when there is none left for a socket."""
    new_socket(socket.AF_INET).close()


def new_socket(family: int, *, kind: int = socket.SOCK_STREAM) -> socket.socket:
    """Return a non-blocking socket.

    Raises: NoDescriptors, OSError
    """
    try:
        made = socket.socket(family, kind)
    except OSError as error:
        if error.errno in _OUT_OF_DESCRIPTORS:
            raise NoDescriptors(
                f"no connection: {error.strerror}; raise the limit of open files"
            ) from error
        raise
    made.setblocking(False)
    return made


async def _connect(made: socket.socket, address: Any, patience: float) -> socket.socket:
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
    """Say whether the other end of a connected socket is this machine.

    A connection that was reset meanwhile has no other end; who uses it will see.
    """
    if peer.family == socket.AF_UNIX:
        return True
    try:
        host = str(peer.getpeername()[0]).partition("%")[0]
    except OSError:
        return False
    return ipaddress.ip_address(host).is_loopback

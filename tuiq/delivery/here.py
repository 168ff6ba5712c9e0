"""This machine seen from outside: its names, its addresses, where it has routes."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from typing import TYPE_CHECKING

from tuiq.delivery.dial import new_socket
from tuiq.delivery.mx import Standing

if TYPE_CHECKING:
    from collections.abc import Iterable

_NO_ROUTE = frozenset(
    {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}
)
_ANY_PORT = 9


class Here:
    """The machine that this process runs on."""

    def __init__(self, names: Iterable[str], *, welcome: bool = False) -> None:
        """Go by *names* and the host's own; *welcome*: mail may come to us."""
        self._names = {name.lower().removesuffix(".") for name in names}
        self._names.add(os.uname().nodename.lower())
        self._welcome = welcome

    def is_own_name(self, name: str) -> bool:
        """Say whether *name* is this machine's."""
        return not self._welcome and name in self._names

    def standing(self, address: str) -> Standing:
        """Return what *address* is to this machine.

        Raises: NoDescriptors
        """
        ip = ipaddress.ip_address(address)
        ip = (isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped) or ip
        if ip.is_multicast or ip.is_unspecified:
            return Standing.BOGUS
        found = Standing.OWN if ip.is_loopback else _asked(ip)
        if found is Standing.OWN and self._welcome:
            return Standing.FAR
        return found


def _asked(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> Standing:
    """Ask the kernel how it would send to *ip*; nothing is sent.

    To one of its own addresses it sends from that address, and to no other.
    """
    family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
    try:
        with new_socket(family, kind=socket.SOCK_DGRAM) as probe:
            probe.connect((str(ip), _ANY_PORT))
            source = ipaddress.ip_address(probe.getsockname()[0].partition("%")[0])
    except OSError as error:
        return Standing.UNROUTED if error.errno in _NO_ROUTE else Standing.BOGUS
    return Standing.OWN if source == ip else Standing.FAR

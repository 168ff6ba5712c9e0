"""A small authoritative DNS server on a loopback port, in threads of its own.

It speaks real DNS over UDP and TCP and does what its zone says: records, CNAME
chains, NXDOMAIN, SERVFAIL, silence, and answers too long for UDP.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

if TYPE_CHECKING:
    from collections.abc import Iterator

SOA = "ns.invalid. admin.invalid. 1 3600 600 86400 {minimum}"
_SETTLED = 10


@dataclass
class Zone:
    """What the server knows; may change while it runs."""

    records: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """By name and type; presentation form."""
    ttl: int = 300
    failing: set[str] = field(default_factory=set)
    """Names, or ``name TYPE``, that get SERVFAIL."""
    silent: set[str] = field(default_factory=set)
    """Names, or ``name TYPE``, that get no answer."""
    minimum: int = 60
    """TTL of negative answers."""

    def add(self, name: str, kind: str, *records: str) -> None:
        self.records.setdefault((name, kind), []).extend(records)

    def knows(self, name: str) -> bool:
        return any(known == name for known, _ in self.records)


class DnsServer:
    """Serves a zone while it is entered."""

    def __init__(self, zone: Zone | None = None) -> None:
        self.zone = zone or Zone()
        self.queries: list[tuple[str, str, str]] = []
        """Name, type and transport of each question, in order."""
        self.released = threading.Event()
        """Answers wait for it; set from the start."""
        self.released.set()
        self.port = 0
        self._stopping = False
        self._threads: list[threading.Thread] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._udp, self._tcp = _pair()
        self.port = self._udp.getsockname()[1]
        for loop in (self._serve_udp, self._serve_tcp):
            thread = threading.Thread(target=loop, daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        self.released.set()
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            with socket.socket(socket.AF_INET, kind) as knock:
                knock.connect(("127.0.0.1", self.port))
                if kind == socket.SOCK_DGRAM:
                    knock.send(b"")
        for thread in self._threads:
            thread.join(_SETTLED)
        self._udp.close()
        self._tcp.close()

    def asked(self, name: str, kind: str) -> int:
        """Return how often a question was put."""
        return sum(query[:2] == (name, kind) for query in self.queries)

    def _serve_udp(self) -> None:
        while True:
            data, client = self._udp.recvfrom(65535)
            if self._stopping:
                return
            answer = self._answer(data, "udp")
            if answer is not None:
                self._udp.sendto(answer, client)

    def _serve_tcp(self) -> None:
        while True:
            peer, _ = self._tcp.accept()
            with peer, contextlib.suppress(OSError):
                if self._stopping:
                    return
                (length,) = struct.unpack("!H", peer.recv(2, socket.MSG_WAITALL))
                data = peer.recv(length, socket.MSG_WAITALL)
                answer = self._answer(data, "tcp")
                if answer is not None:
                    peer.sendall(struct.pack("!H", len(answer)) + answer)

    def _answer(self, data: bytes, transport: str) -> bytes | None:
        query = dns.message.from_wire(data)
        (question,) = query.question
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.queries.append((name, kind, transport))
        self.released.wait(_SETTLED)
        if {name, f"{name} {kind}"} & self.zone.silent:
            return None
        response = dns.message.make_response(query, our_payload=1232)
        response.flags |= dns.flags.RA
        if {name, f"{name} {kind}"} & self.zone.failing:
            response.set_rcode(dns.rcode.SERVFAIL)
        else:
            self._fill(response, name, kind)
        wire = response.to_wire(max_size=65535)
        if transport == "udp" and len(wire) > (query.payload or 512):
            response.answer.clear()
            response.flags |= dns.flags.TC
            return response.to_wire()
        return wire

    def _fill(self, response: dns.message.Message, name: str, kind: str) -> None:
        for owner, rdtype, records in self._chain(name, kind):
            owner_name = dns.name.from_text(owner)
            response.answer.append(
                dns.rrset.from_text_list(
                    owner_name, self.zone.ttl, "IN", rdtype, records
                )
            )
            last = records[0].removesuffix(".") if rdtype == "CNAME" else owner
            name = last
        if not self.zone.knows(name):
            response.set_rcode(dns.rcode.NXDOMAIN)
        if not response.answer or response.answer[-1].rdtype == dns.rdatatype.CNAME:
            soa = SOA.format(minimum=self.zone.minimum)
            response.authority.append(
                dns.rrset.from_text(dns.name.root, self.zone.minimum, "IN", "SOA", soa)
            )

    def _chain(self, name: str, kind: str) -> Iterator[tuple[str, str, list[str]]]:
        """Yield the CNAMEs from *name* on, and the records at their end."""
        for _ in range(_SETTLED):
            alias = self.zone.records.get((name, "CNAME"))
            if alias is None:
                break
            yield name, "CNAME", alias
            name = alias[0].removesuffix(".")
        records = self.zone.records.get((name, kind))
        if records:
            yield name, kind, records


def _pair() -> tuple[socket.socket, socket.socket]:
    """Return a UDP and a listening TCP socket on one port."""
    while True:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            tcp.bind(udp.getsockname())
        except OSError:
            udp.close()
            tcp.close()
            continue
        tcp.listen()
        return udp, tcp

"""Every setting, once: name, default, kind of value and what it does.

The sentence of a setting is what ``tuiq init`` writes above it in ``tuiq.toml``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from tuiq.config import glance, kinds
from tuiq.config.kinds import DAY, HOUR, MEBIBYTE, MINUTE, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuiq.config.routes import Pool, Route


def _is(kind: Kind, about: str) -> Mapping[str, Any]:
    """Return the metadata of a setting: its kind and its sentence."""
    return MappingProxyType({"kind": kind, "about": about})


@cache
def host_name(hosts: Path = Path("/etc/hosts")) -> str:
    """Return this host's name as ``glance`` finds it, looking once."""
    return glance.host_name(os.uname().nodename, str(hosts))


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolConfig:
    """``[spool]``: where mail lies and how hard it is written."""

    queues: str = field(
        metadata=_is(
            kinds.queues(),
            "Queue directories: a path or a pattern like q.*, relative to this file.",
        )
    )
    durability: Literal["group", "each", "none"] = field(
        default="group",
        metadata=_is(
            kinds.word("group", "each", "none"),
            "How delivery marks reach the disk: many per sync, each its own, or when "
            "the system likes. Accepted mail is always synced.",
        ),
    )
    trash_keep: float = field(
        default=DAY,
        metadata=_is(
            kinds.duration(),
            "How long tuiq undo can bring deleted mail back; 0 deletes at once.",
        ),
    )
    in_doubt: Literal["retry", "hold"] = field(
        default="retry",
        metadata=_is(
            kinds.word("retry", "hold"),
            "What to do when a connection died after the final dot: send again (a "
            "possible duplicate), or wait for an operator.",
        ),
    )
    min_free_percent: float = field(
        default=glance.MIN_FREE_PERCENT,
        metadata=_is(
            kinds.percent(),
            "Free space and free inodes, in percent, below which no mail is taken.",
        ),
    )
    min_free_bytes: int = field(
        default=glance.MIN_FREE_BYTES,
        metadata=_is(kinds.size(), "That floor is never higher than this much space."),
    )
    min_free_inodes: int = field(
        default=glance.MIN_FREE_INODES,
        metadata=_is(
            kinds.count(), "That floor is never higher than this many inodes."
        ),
    )
    orphan_age: float = field(
        default=15 * MINUTE,
        metadata=_is(
            kinds.duration(low=MINUTE),
            "Age at which a file that belongs to no message is removed.",
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionConfig:
    """``[submission]``: what is accepted and what is added to it."""

    hostname: str = field(
        default_factory=host_name,
        metadata=_is(
            kinds.domain(),
            "This host's name in Received, Message-ID, EHLO and notices.",
        ),
    )
    origin: str = field(
        default="",
        metadata=_is(
            kinds.domain(),
            "Domain for addresses without one (root, www-data); empty: hostname.",
        ),
    )
    aliases: Path | None = field(
        default=None,
        metadata=_is(
            kinds.path(),
            'File of lines "name: address, address" for such addresses; empty: none.',
        ),
    )
    max_message_bytes: int = field(
        default=glance.MAX_MESSAGE_BYTES,
        metadata=_is(kinds.size(low=1024), "Largest message accepted."),
    )
    max_recipients: int = field(
        default=glance.MAX_RECIPIENTS,
        metadata=_is(
            kinds.count(low=1, high=1_000_000),
            "Most recipients accepted in one message.",
        ),
    )
    received_header: bool = field(
        default=True,
        metadata=_is(kinds.switch(), "Whether a Received line is put on top."),
    )
    max_hops: int = field(
        default=glance.MAX_HOPS,
        metadata=_is(
            kinds.count(low=1, high=1000),
            "Received lines at which a message counts as looping and is returned.",
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryConfig:
    """``[delivery]``: how mail leaves."""

    smarthost: str = field(
        default="",
        metadata=_is(
            kinds.host_port(),
            "The server that takes all mail that no route takes, host:port; empty and "
            "no routes: nothing is delivered.",
        ),
    )
    """Always with a port, IPv6 in brackets; see ``split_host_port``."""
    routes: tuple[Route, ...] = field(
        default=(),
        metadata=_is(
            kinds.deferred("tuiq.config.route_kinds", "ROUTES"),
            'Which mail goes elsewhere, first match wins: {to = "*.de", via = '
            '"relay.example.org:25"}.',
        ),
    )
    pools: tuple[Pool, ...] = field(
        default=(),
        metadata=_is(
            kinds.deferred("tuiq.config.route_kinds", "POOLS"),
            'Servers that stand in for each other, for via = "pool:out": '
            '{out = ["a:25 weight=3", "b:25", "c:25 backup"]}.',
        ),
    )
    nameservers: tuple[str, ...] = field(
        default=(),
        metadata=_is(
            kinds.nameservers(),
            "DNS resolvers to ask for MX, address or address:port; empty: those of "
            "/etc/resolv.conf.",
        ),
    )
    """Always with a port, IPv6 in brackets; see ``split_host_port``."""
    dns_timeout: float = field(
        default=15.0,
        metadata=_is(kinds.duration(low=0.1), "Wait for one answer of the DNS."),
    )
    mx_to_self: bool = field(
        default=False,
        metadata=_is(
            kinds.switch(),
            "Whether mail routed by MX may go to this machine itself, where another "
            "program takes it.",
        ),
    )
    recipients_per_transaction: int = field(
        default=50,
        metadata=_is(
            kinds.count(low=1, high=10_000), "Recipients in one SMTP transaction."
        ),
    )
    concurrency: int = field(
        default=20,
        metadata=_is(
            kinds.count(low=1, high=10_000),
            "Connections to one destination at a time, when all goes well.",
        ),
    )
    initial_concurrency: int = field(
        default=5,
        metadata=_is(
            kinds.count(low=1, high=10_000),
            "Connections to a destination at first; answers make them more, up to "
            "concurrency, and trouble makes them fewer.",
        ),
    )
    messages_per_connection: int = field(
        default=500,
        metadata=_is(
            kinds.count(),
            "Transactions after which a connection is closed; 0: no limit.",
        ),
    )
    idle_timeout: float = field(
        default=5.0,
        metadata=_is(kinds.duration(), "How long an unused connection is kept open."),
    )
    retry_destination: float = field(
        default=MINUTE,
        metadata=_is(
            kinds.duration(low=1),
            "How long a destination that could not be reached is left alone.",
        ),
    )
    tls: Literal["opportunistic", "require", "implicit", "none"] = field(
        default="opportunistic",
        metadata=_is(
            kinds.word("opportunistic", "require", "implicit", "none"),
            "STARTTLS where offered, STARTTLS or nothing, TLS from the first byte "
            "(port 465), or never.",
        ),
    )
    tls_verify: bool = field(
        default=False,
        metadata=_is(
            kinds.switch(), "Whether the certificate must be valid for the smarthost."
        ),
    )
    tls_ca_file: Path | None = field(
        default=None,
        metadata=_is(
            kinds.path(), "PEM file of trusted authorities; empty: the system's."
        ),
    )
    username: str = field(
        default="", metadata=_is(kinds.text(), "SMTP AUTH user; empty: no AUTH.")
    )
    password_file: Path | None = field(
        default=None,
        metadata=_is(
            kinds.path(),
            "File whose first line is the password; nobody else may read it.",
        ),
    )
    eight_bit: Literal["send", "fail"] = field(
        default="send",
        metadata=_is(
            kinds.word("send", "fail"),
            "8-bit data for a server without 8BITMIME: as it is, or return it (5.6.3).",
        ),
    )
    connect_timeout: float = field(
        default=30.0, metadata=_is(kinds.duration(low=1), "Wait for the connection.")
    )
    greeting_timeout: float = field(
        default=300.0, metadata=_is(kinds.duration(low=1), "Wait for the greeting.")
    )
    command_timeout: float = field(
        default=300.0,
        metadata=_is(kinds.duration(low=1), "Wait for answers to EHLO, MAIL and RCPT."),
    )
    data_timeout: float = field(
        default=120.0,
        metadata=_is(kinds.duration(low=1), "Wait for the answer to DATA."),
    )
    block_timeout: float = field(
        default=180.0,
        metadata=_is(kinds.duration(low=1), "Wait for progress while data is sent."),
    )
    dot_timeout: float = field(
        default=600.0,
        metadata=_is(
            kinds.duration(low=1),
            "Wait for the answer to the final dot; a short value makes duplicates.",
        ),
    )
    quit_timeout: float = field(
        default=5.0, metadata=_is(kinds.duration(), "Wait for the answer to QUIT.")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryConfig:
    """``[retry]``: when deferred mail is tried again and given up."""

    min_backoff: float = field(
        default=300.0,
        metadata=_is(kinds.duration(low=1), "Shortest time between two attempts."),
    )
    max_backoff: float = field(
        default=8 * HOUR,
        metadata=_is(kinds.duration(low=1), "Longest time between two attempts."),
    )
    lifetime: float = field(
        default=5 * DAY,
        metadata=_is(
            kinds.duration(low=MINUTE),
            "Age at which mail that could not be delivered is returned to its sender.",
        ),
    )
    delay_notice: float = field(
        default=4 * HOUR,
        metadata=_is(
            kinds.duration(), "Age at which the sender is told about a delay; 0: never."
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BounceConfig:
    """``[bounce]``: delivery status notifications."""

    postmaster: str = field(
        default="",
        metadata=_is(
            kinds.address(),
            "Address that gets bounces which cannot be returned; empty: they are kept.",
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerConfig:
    """``[runner]``: the delivery process."""

    rescan_interval: float = field(
        default=300.0,
        metadata=_is(
            kinds.duration(low=1),
            "Time between full scans of the queue; new mail is noticed at once anyway.",
        ),
    )
    drain_timeout: float = field(
        default=60.0,
        metadata=_is(
            kinds.duration(),
            "How long a stopping runner waits for answers to final dots.",
        ),
    )
    status_interval: float = field(
        default=0.5,
        metadata=_is(
            kinds.duration(low=0.1), "Time between two writes of the status file."
        ),
    )
    max_workers: int = field(
        default=0,
        metadata=_is(
            kinds.count(high=1024),
            "Processes that deliver, at most; 0: one per processor core. With 1 the "
            "runner is a single process.",
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalConfig:
    """``[journal]``: the delivery journal."""

    max_bytes: int = field(
        default=64 * MEBIBYTE,
        metadata=_is(kinds.size(low=4096), "Size at which the journal is rotated."),
    )
    keep: int = field(
        default=8,
        metadata=_is(kinds.count(high=10_000), "Rotated journals that are kept."),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsConfig:
    """``[metrics]``: numbers for monitoring, in OpenMetrics text."""

    textfile: Path | None = field(
        default=None,
        metadata=_is(
            kinds.path(),
            "File to write them to, for node_exporter's textfile collector: its name "
            "must end in .prom there; empty: none.",
        ),
    )
    listen: str = field(
        default="",
        metadata=_is(
            kinds.host_port(port=9154),
            "Address for Prometheus to ask, such as 127.0.0.1:9154. Whoever reaches it "
            "may read it; empty: none.",
        ),
    )
    """Always with a port, IPv6 in brackets; see ``split_host_port``."""
    interval: float = field(
        default=15.0,
        metadata=_is(
            kinds.duration(low=1),
            "Time between two writes of the file, and at least between two counts of "
            "the queue.",
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All settings, validated; each field but *source* is a section of the file."""

    spool: SpoolConfig
    submission: SubmissionConfig = field(default_factory=SubmissionConfig)
    delivery: DeliveryConfig = field(default_factory=DeliveryConfig)
    retry: RetryConfig = field(default_factory=RetryConfig)
    bounce: BounceConfig = field(default_factory=BounceConfig)
    runner: RunnerConfig = field(default_factory=RunnerConfig)
    journal: JournalConfig = field(default_factory=JournalConfig)
    metrics: MetricsConfig = field(default_factory=MetricsConfig)
    source: Path | None = None
    """The file it was read from; None: built in code."""
    given: frozenset[tuple[str, str]] = frozenset()
    """(section, key) of the settings that the file names; the rest are defaults."""

    @property
    def spool_path(self) -> Path:
        """Return the spool: the directory above the queue directories."""
        return Path(self.spool.queues).parent


SECTIONS: dict[str, type[Any]] = {
    "spool": SpoolConfig,
    "submission": SubmissionConfig,
    "delivery": DeliveryConfig,
    "retry": RetryConfig,
    "bounce": BounceConfig,
    "runner": RunnerConfig,
    "journal": JournalConfig,
    "metrics": MetricsConfig,
}
"""The sections of the file, in the order in which they are written."""

"""The configuration: one frozen value, read from TOML and validated once.

Nothing else reads configuration files or environment variables.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

MINUTE = 60.0
HOUR = 3600.0
DAY = 86400.0
MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolConfig:
    """``[spool]``: where mail lies and how hard it is written."""

    queues: str
    """Queue directories: an absolute path or glob (``/var/spool/tuiq/q.*``)."""
    durability: Literal["group", "each", "none"] = "group"
    """How marks reach the disk; accepted mail is always synced."""
    trash_keep: float = DAY
    """Seconds that deleted mail can be restored; 0 = deleted at once."""
    in_doubt: Literal["retry", "hold"] = "retry"
    """What to do when a connection died after the final dot."""
    operator_group: str | None = None
    """Group whose members may act on the queue (files 0660/0770); None: nobody."""
    min_free_percent: float = 5.0
    """Low-disk floor in percent of bytes and inodes; capped by the two below."""
    min_free_bytes: int = 512 * MEBIBYTE
    """Cap of the byte floor."""
    min_free_inodes: int = 10_000
    """Cap of the inode floor."""
    orphan_age: float = 15 * MINUTE
    """Seconds before a file without its message counts as an orphan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionConfig:
    """``[submission]``: what is accepted and what is added to it."""

    hostname: str = field(default_factory=socket.getfqdn)
    """This host's name in Received, Message-ID, EHLO and notices."""
    origin: str = ""
    """Domain for addresses without one; empty: hostname."""
    aliases: Path | None = None
    """``name: address, address`` file for unqualified addresses; None: none."""
    max_message_bytes: int = 50 * MEBIBYTE
    """Largest message accepted."""
    max_recipients: int = 100_000
    """Most recipients accepted in one message."""
    received_header: bool = True
    """Whether a Received line is prepended."""
    max_hops: int = 50
    """Received lines at which a message counts as looping."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryConfig:
    """``[delivery]``: how mail leaves."""

    smarthost: str = ""
    """``host:port`` that takes all mail; empty: nothing can be delivered."""
    recipients_per_transaction: int = 50
    """Recipients in one SMTP transaction."""
    concurrency: int = 20
    """Connections to one destination at a time."""
    messages_per_connection: int = 500
    """Transactions after which a connection is closed; 0 = no limit."""
    idle_timeout: float = 5.0
    """Seconds an unused connection is kept."""
    retry_destination: float = MINUTE
    """Seconds a destination that could not be reached is left alone."""
    tls: Literal["opportunistic", "require", "implicit", "none"] = "opportunistic"
    """STARTTLS if offered, STARTTLS or nothing, TLS from the start, never."""
    tls_verify: bool = False
    """Whether the certificate must be valid for the smarthost's name."""
    tls_ca_file: Path | None = None
    """PEM file of trusted authorities; None: the system's."""
    username: str = ""
    """SMTP AUTH user; empty: no AUTH."""
    password_file: Path | None = None
    """File whose first line is the password; must not be readable by others."""
    eight_bit: Literal["send", "fail"] = "send"
    """8-bit data to a server without 8BITMIME: as it is, or 5.6.3."""
    connect_timeout: float = 30.0
    greeting_timeout: float = 300.0
    command_timeout: float = 300.0
    """MAIL, RCPT and EHLO."""
    data_timeout: float = 120.0
    """The answer to DATA."""
    block_timeout: float = 180.0
    """Progress while the data is sent."""
    dot_timeout: float = 600.0
    """The answer to the final dot; a short value makes duplicates."""
    quit_timeout: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryConfig:
    """``[retry]``: when deferred mail is tried again and given up."""

    min_backoff: float = 300.0
    max_backoff: float = 8 * HOUR
    lifetime: float = 5 * DAY
    delay_notice: float = 4 * HOUR
    """Age at which the sender is told about a delay; 0 = never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BounceConfig:
    """``[bounce]``: delivery status notifications."""

    postmaster: str = ""
    """Address that gets bounces which cannot be returned; empty: they are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerConfig:
    """``[runner]``: the delivery process."""

    rescan_interval: float = 300.0
    """Seconds between authoritative scans of the queue directories."""
    drain_timeout: float = 60.0
    """Seconds that TERM waits for transactions past the final dot."""
    status_interval: float = 0.5
    """Seconds between writes of the status file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalConfig:
    """``[journal]``: the delivery journal."""

    max_bytes: int = 64 * MEBIBYTE
    """Size at which the file is rotated."""
    keep: int = 8
    """Rotated files kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All settings, validated."""

    spool: SpoolConfig
    submission: SubmissionConfig = field(default_factory=SubmissionConfig)
    delivery: DeliveryConfig = field(default_factory=DeliveryConfig)
    retry: RetryConfig = field(default_factory=RetryConfig)
    bounce: BounceConfig = field(default_factory=BounceConfig)
    runner: RunnerConfig = field(default_factory=RunnerConfig)
    journal: JournalConfig = field(default_factory=JournalConfig)
    source: Path | None = None
    """The file it was read from; None: built in code."""

    @property
    def spool_path(self) -> Path:
        """Return the spool: the directory above the queue directories."""
        return Path(self.spool.queues).parent

"""Metrics: what they are called, what they mean, and their OpenMetrics text.

Pure: an ``Observation`` in, text out.  Series exist from the beginning with the
value 0, so that an alarm need not tell *nothing yet* from *nothing wrong*; what is
not known is NaN.  Only the types gauge and counter are used: parsers of the older
Prometheus text, such as node_exporter's, refuse a file with any other.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import tuiq
from tuiq.spool.entry import State
from tuiq.spool.journal import OUTCOMES
from tuiq.spool.status import DESTINATION_STATES, all_destinations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tuiq.spool.census import Tally
    from tuiq.spool.status import DestinationStatus, RunnerStatus

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
MOST_DESTINATIONS = 200
"""Destinations with series of their own; a queue can have any number of them."""
OTHERS = "(others)"
"""Destination under which the rest is added up; the name of none."""
_NAN = float("nan")
_MODES = ("daemon", "once")
_REPLIES = ("2xx", "4xx", "5xx", "connection")


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What is known about a spool at one moment."""

    now: float
    directories: tuple[str, ...]
    """Names of the queue directories."""
    tallies: Mapping[str, Tally] | None = None
    """By queue directory; None: not counted yet."""
    counted: float = 0.0
    """Epoch seconds at which that count began."""
    free: Mapping[str, tuple[int, int | None]] = field(default_factory=dict)
    """By queue directory: free bytes and inodes; None: not counted there."""
    low_disk: frozenset[str] = frozenset()
    """Queue directories from which nothing is sent because their disk is full."""
    runners: tuple[RunnerStatus, ...] = ()
    """Those that live."""
    counters: Mapping[str, int] = field(default_factory=dict)
    """What all runners ever counted; see ``status.read_counters``."""
    submissions: int = 0


def render(seen: Observation) -> bytes:
    """Return the OpenMetrics text."""
    from prometheus_client.openmetrics.exposition import generate_latest

    text: bytes = generate_latest(_Collected(seen))  # type: ignore[no-untyped-call]
    return text


class _Collected:
    """What ``generate_latest`` takes for a registry."""

    def __init__(self, seen: Observation) -> None:
        self._seen = seen

    def collect(self) -> Iterator[Any]:
        """Yield all metric families."""
        for part in (_build, _queue, _disks, _counters, _destinations, _runners):
            yield from part(self._seen)


def _gauge(
    name: str, about: str, labels: tuple[str, ...] = (), *, unit: str = ""
) -> Any:
    from prometheus_client.core import GaugeMetricFamily

    return GaugeMetricFamily(name, about, labels=labels, unit=unit)


def _counter(
    name: str, about: str, values: Iterable[tuple[str, int]], label: str
) -> Any:
    """Return a counter with one series per label value, or a single one."""
    from prometheus_client.core import CounterMetricFamily

    family = CounterMetricFamily(name, about, labels=[label] if label else [])
    for value, number in values:
        family.add_metric([value] if label else [], number)
    return family


def _one(name: str, about: str, value: float, *, unit: str = "") -> Any:
    family = _gauge(name, about, unit=unit)
    family.add_metric([], value)
    return family


def _build(seen: Observation) -> Iterator[Any]:
    build = _gauge("tuiq_build_info", "The tuiq that says so.", ("version", "python"))
    build.add_metric([tuiq.__version__, platform.python_version()], 1)
    yield build


def _queue(seen: Observation) -> Iterator[Any]:
    counts, tallies = seen.tallies is not None, seen.tallies or {}
    messages = _gauge("tuiq_messages", "Messages in the queue.", ("directory", "state"))
    per_directory: list[tuple[Any, Callable[[Tally], float]]] = [
        (
            _gauge("tuiq_open_recipients", "Recipients not settled.", ("directory",)),
            lambda tally: tally.recipients,
        ),
        (
            _gauge(
                "tuiq_messages_size_bytes",
                "Data of messages, the trash left out.",
                ("directory",),
                unit="bytes",
            ),
            lambda tally: tally.size,
        ),
        (
            _gauge(
                "tuiq_oldest_age_seconds",
                "Age of the oldest message that should move; 0: there is none.",
                ("directory",),
                unit="seconds",
            ),
            lambda tally: max(0.0, seen.now - (tally.oldest or seen.now)),
        ),
    ]
    for name in seen.directories:
        tally = tallies.get(name)
        for state in State:
            number = _NAN if tally is None else tally.counts[state]
            messages.add_metric([name, state.value], number)
        for family, value in per_directory:
            family.add_metric([name], _NAN if tally is None else value(tally))
    yield messages
    yield from (family for family, _ in per_directory)
    yield _one(
        "tuiq_counted_timestamp_seconds",
        "When the count of the queue began that the numbers above are from.",
        seen.counted if counts else _NAN,
        unit="seconds",
    )


def _disks(seen: Observation) -> Iterator[Any]:
    labels = ("directory",)
    free = _gauge("tuiq_free_bytes", "Free disk space.", labels, unit="bytes")
    inodes = _gauge("tuiq_free_inodes", "Free inodes; NaN: not counted.", labels)
    low = _gauge("tuiq_low_disk", "Whether the disk is too full to send.", labels)
    for name in seen.directories:
        space, count = seen.free.get(name, (None, None))
        free.add_metric([name], _NAN if space is None else space)
        inodes.add_metric([name], _NAN if count is None else count)
        low.add_metric([name], name in seen.low_disk)
    yield from (free, inodes, low)


def _counters(seen: Observation) -> Iterator[Any]:
    def of(names: Iterable[str], prefix: str = "") -> list[tuple[str, int]]:
        return [(name, seen.counters.get(prefix + name, 0)) for name in names]

    yield _counter("tuiq_recipients", "Recipients by verdict.", of(OUTCOMES), "verdict")
    yield _counter(
        "tuiq_attempts",
        "Recipients tried, by class of the reply; connection: nobody answered.",
        of(_REPLIES, "reply_"),
        "reply",
    )
    yield _counter("tuiq_submissions", "Messages queued.", [("", seen.submissions)], "")
    for name, about in (
        ("transactions", "SMTP transactions."),
        ("connections", "Connections made."),
        ("connection_failures", "Connections that could not be used."),
        ("claims_lost", "Messages that another process took first."),
        ("possible_duplicates", "Recipients in doubt that were tried again."),
        ("journal_lost", "Events that could not be written to the journal."),
    ):
        yield _counter(f"tuiq_{name}", about, of([name]), "")


def _destinations(seen: Observation) -> Iterator[Any]:
    labels = ("destination",)
    found = all_destinations(seen.runners)
    ranked = sorted(
        found, key=lambda d: (d.name == OTHERS, -d.connections - d.waiting, d.name)
    )
    named = [d for d in ranked[:MOST_DESTINATIONS] if d.name != OTHERS]
    rest = ranked[len(named) :]
    families: list[tuple[Any, Callable[[DestinationStatus], int]]] = [
        (
            _gauge("tuiq_open_connections", "Connections to a destination.", labels),
            lambda told: told.connections,
        ),
        (
            _gauge("tuiq_connection_limit", "Connections it may have now.", labels),
            lambda told: told.limit,
        ),
        (
            _gauge(
                "tuiq_connection_ceiling", "Connections when all goes well.", labels
            ),
            lambda told: told.ceiling,
        ),
        (
            _gauge("tuiq_waiting", "Mail in memory that waits for one.", labels),
            lambda told: told.waiting,
        ),
    ]
    state = _gauge(
        "tuiq_destination_state",
        "Whether a destination is ok, slow (limited) or dead (left alone).",
        ("destination", "state"),
    )
    for told in named:
        for word in DESTINATION_STATES:
            state.add_metric([told.name, word], told.state == word)
    for family, value in families:
        for told in named:
            family.add_metric([told.name], value(told))
        family.add_metric([OTHERS], sum(map(value, rest)))
        yield family
    yield state
    states = _gauge("tuiq_destinations", "Destinations by state.", ("state",))
    for word in DESTINATION_STATES:
        states.add_metric([word], sum(told.state == word for told in found))
    yield states


def _runners(seen: Observation) -> Iterator[Any]:
    yield _one("tuiq_runner_up", "Whether a runner lives.", bool(seen.runners))
    runners = _gauge("tuiq_runners", "Processes that live, by mode.", ("mode",))
    for mode in _MODES:
        runners.add_metric([mode], sum(told.mode == mode for told in seen.runners))
    yield runners
    started = [told.started for told in seen.runners if told.started]
    yield _one(
        "tuiq_start_time_seconds",
        "When the oldest of them started; NaN: there is none.",
        min(started, default=_NAN),
        unit="seconds",
    )
    used = _gauge("tuiq_open_fds", "File descriptors in use.", ("runner",))
    limit = _gauge("tuiq_max_fds", "File descriptors allowed.", ("runner",))
    for name, told in sorted(_by_role(seen.runners).items()):
        used.add_metric([name], sum(one.fd_used for one in told))
        limit.add_metric([name], sum(one.fd_limit for one in told))
    yield from (used, limit)


def _by_role(runners: Iterable[RunnerStatus]) -> dict[str, list[RunnerStatus]]:
    """Group runners by name; single passes, whose names never repeat, are one."""
    found: dict[str, list[RunnerStatus]] = {"supervisor": []}
    for told in runners:
        name = "once" if told.mode == "once" else told.name
        found.setdefault(name, []).append(told)
    return found

"""Metrics: the text, the file, the endpoint, and that none of it can hurt delivery."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import socket
import stat
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
from prometheus_client.parser import text_string_to_metric_families as parse_classic

from tests.runner.world import locked, wait_for
from tuiq.clock import SystemClock
from tuiq.runner import endpoint
from tuiq.runner.exposition import (
    CONTENT_TYPE,
    MOST_DESTINATIONS,
    OTHERS,
    Observation,
    render,
)
from tuiq.runner.metrics import MetricsWriter, Observer
from tuiq.spool import census as census_module
from tuiq.spool.census import Census, Tally
from tuiq.spool.entry import State
from tuiq.spool.fs import OsFs
from tuiq.spool.pauses import Pauses, Scope
from tuiq.spool.status import (
    Connection,
    DestinationStatus,
    RunnerStatus,
    StatusWriter,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.runner.world import World

EMPTY = Observation(now=1000.0, directories=("q.1", "q.2"))


def samples(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return every sample; the parser refuses what is not OpenMetrics."""
    found = {}
    for family in parse(text.decode()):  # type: ignore[no-untyped-call]
        for sample in family.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            assert key not in found, f"twice: {key}"
            found[key] = sample.value
    return found


def value(text: bytes, name: str, **labels: str) -> float:
    return samples(text)[name, tuple(sorted(labels.items()))]


@contextlib.contextmanager
def runner(path: Path, status: RunnerStatus) -> Iterator[None]:
    """Let a runner with *status* live in this process."""
    fd = os.open(path / "run", os.O_RDONLY)
    writer = StatusWriter(OsFs(), fd, status.name, SystemClock())
    writer.write(status)
    try:
        yield
    finally:
        writer.close()
        os.close(fd)


# -- the text ------------------------------------------------------------------


def test_every_series_exists_from_the_beginning() -> None:
    found = samples(render(EMPTY))
    states = {dict(k[1])["state"] for k in found if k[0] == "tuiq_messages"}
    assert states == {state.value for state in State}
    for verdict in ("delivered", "deferred", "failed", "in_doubt"):
        assert found["tuiq_recipients_total", (("verdict", verdict),)] == 0
    for reply in ("2xx", "4xx", "5xx", "connection"):
        assert found["tuiq_attempts_total", (("reply", reply),)] == 0
    for name in (
        "tuiq_submissions_total",
        "tuiq_claims_lost_total",
        "tuiq_possible_duplicates_total",
        "tuiq_runner_up",
    ):
        assert found[name, ()] == 0


def test_what_was_not_counted_yet_is_not_called_zero() -> None:
    text = render(EMPTY)
    assert str(value(text, "tuiq_messages", directory="q.1", state="due")) == "nan"
    counted = replace(EMPTY, tallies={"q.1": Tally(), "q.2": Tally()})
    text = render(counted)
    assert value(text, "tuiq_messages", directory="q.1", state="due") == 0
    assert value(text, "tuiq_oldest_age_seconds", directory="q.1") == 0


def test_each_metric_says_what_it_is_in_what_unit() -> None:
    for family in parse(render(EMPTY).decode()):  # type: ignore[no-untyped-call]
        assert family.documentation.endswith("."), family.name
        assert family.name.startswith("tuiq_")
        assert family.type in {"gauge", "counter"}
        for unit in ("seconds", "bytes"):
            assert family.name.endswith(f"_{unit}") == (family.unit == unit)


def test_the_text_is_read_by_older_parsers_too() -> None:
    names = {
        sample.name
        for family in parse_classic(render(EMPTY).decode())
        for sample in family.samples
    }
    assert {"tuiq_messages", "tuiq_recipients_total", "tuiq_build_info"} <= names


@pytest.mark.parametrize(
    "name",
    ['quote" 9\n', "back\\slash", "line\nfeed", "{}=,", "\\n", "bücher.example", ""],
)
def test_hostile_destinations_come_back_as_they_were(name: str) -> None:
    told = DestinationStatus(name=name, limit=3, ceiling=20, state="slow")
    seen = replace(EMPTY, runners=(RunnerStatus(name="w", destinations=(told,)),))
    text = render(seen)
    assert value(text, "tuiq_connection_limit", destination=name) == 3
    assert value(text, "tuiq_destination_state", destination=name, state="slow") == 1
    assert value(text, "tuiq_destination_state", destination=name, state="dead") == 0


def test_destinations_without_number_are_added_up_under_one_name() -> None:
    told = tuple(
        DestinationStatus(name=f"d{n}", connections=n, limit=1)
        for n in range(MOST_DESTINATIONS + 50)
    )
    told += (DestinationStatus(name=OTHERS, connections=1000, limit=1),)
    seen = replace(EMPTY, runners=(RunnerStatus(name="w", destinations=told),))
    text = render(seen)
    found = [k for k in samples(text) if k[0] == "tuiq_connection_limit"]
    assert len(found) == MOST_DESTINATIONS + 1
    assert value(text, "tuiq_connection_limit", destination=OTHERS) == 51
    assert value(text, "tuiq_open_connections", destination="d249") == 249
    total = sum(v for k, v in samples(text).items() if k[0] == "tuiq_open_connections")
    assert total == sum(d.connections for d in told)


def test_workers_are_added_up_and_single_passes_share_a_series() -> None:
    connection = Connection(destination="mx:25", phase="dot", since=0.0)
    passes = [
        RunnerStatus(
            name=f"once-{n}", mode="once", fd_used=4, connections=(connection,)
        )
        for n in range(2)
    ]
    workers = [
        RunnerStatus(name=f"worker-{n}", fd_used=n, connections=(connection,))
        for n in (1, 2)
    ]
    text = render(replace(EMPTY, runners=(*passes, *workers)))
    assert value(text, "tuiq_open_connections", destination="mx:25") == 4
    assert value(text, "tuiq_open_fds", runner="once") == 8
    assert value(text, "tuiq_open_fds", runner="worker-2") == 2
    assert value(text, "tuiq_runners", mode="once") == 2
    assert value(text, "tuiq_runner_up") == 1


# -- looking at a spool --------------------------------------------------------


def test_a_spool_is_counted_as_its_messages_are(world: World) -> None:
    world.submit()
    queue_id = world.submit()
    observer = Observer(world.spool)
    observer.census.advance()
    text = render(observer.observe())
    assert value(text, "tuiq_messages", directory="q.1", state="due") == 2
    assert value(text, "tuiq_open_recipients", directory="q.1") == 2
    assert value(text, "tuiq_submissions_total") == 2
    assert value(text, "tuiq_free_bytes", directory="q.1") > 0
    assert value(text, "tuiq_low_disk", directory="q.1") == 0
    with locked(world.spool.directories[0], queue_id):
        observer.census.advance()
        text = render(observer.observe())
    assert value(text, "tuiq_messages", directory="q.1", state="active") == 1
    assert value(text, "tuiq_messages", directory="q.1", state="due") == 1


def test_paused_mail_is_counted_as_paused(world: World) -> None:
    world.submit()
    pauses = Pauses(OsFs(), world.spool.pauses_fd, SystemClock())
    pauses.pause(Scope.SPOOL, who="ann")
    observer = Observer(world.spool)
    observer.census.advance()
    assert observer.census.tallies is not None
    assert observer.census.tallies["q.1"].counts[State.PAUSED] == 1


def test_a_transaction_that_began_meanwhile_is_not_called_doubt(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue_id = world.submit()
    module: Any = census_module
    monkeypatch.setattr(module, "_DOUBTS_EVERY", 0.0)
    census = Census(world.spool, lambda _sender, _domain: "")
    original = module.read_entry
    with contextlib.ExitStack() as stack:

        def begins(directory: Any, wanted: str) -> Any:
            if wanted == queue_id and not begun:
                begun.append(queue_id)
                stack.enter_context(locked(directory, queue_id))
                world.poke(queue_id, 1024, b"U")
            return original(directory, wanted)

        begun: list[str] = []
        monkeypatch.setattr(module, "read_entry", begins)
        census.advance()
    assert census.tallies is not None
    assert census.tallies["q.1"].counts[State.ACTIVE] == 1
    census.advance()
    assert census.tallies["q.1"].counts[State.DOUBT] == 1


def test_counting_goes_on_where_it_stopped(world: World) -> None:
    for _ in range(20):
        world.submit()
    census = Census(world.spool, lambda _sender, _domain: "")
    turns = 1
    while not census.advance(0.0):
        assert census.tallies is None
        turns += 1
    assert turns >= 20
    assert census.tallies is not None
    assert census.tallies["q.1"].messages == 20


def test_counters_survive_the_runner(world: World) -> None:
    observer = Observer(world.spool)
    for started in (1.0, 2.0):
        counters = {"delivered": 5, "reply_2xx": 5, "messages_open": 9}
        status = RunnerStatus(name="worker-1", started=started, counters=counters)
        with runner(world.path, status):
            text = render(observer.observe())
            assert value(text, "tuiq_runner_up") == 1
    text = render(observer.observe())
    assert value(text, "tuiq_recipients_total", verdict="delivered") == 10
    assert value(text, "tuiq_attempts_total", reply="2xx") == 10
    assert value(text, "tuiq_runner_up") == 0


# -- the file ------------------------------------------------------------------


@pytest.fixture
def textfile(world: World, tmp_path: Path) -> Path:
    path = tmp_path / "collector" / "tuiq.prom"
    path.parent.mkdir()
    world.reconfigure(metrics={"textfile": str(path), "interval": 1})
    return path


def test_the_file_is_whole_readable_by_all_and_alone(
    world: World, textfile: Path
) -> None:
    old = os.umask(0o077)
    try:
        writer = MetricsWriter(world.spool)
        assert writer.write_textfile(count=True)
    finally:
        os.umask(old)
    assert stat.S_IMODE(textfile.stat().st_mode) == 0o644
    assert os.listdir(textfile.parent) == ["tuiq.prom"]
    text = textfile.read_bytes()
    assert value(text, "tuiq_messages", directory="q.1", state="due") == 0
    assert text.endswith(b"# EOF\n")


def test_the_file_is_replaced_not_rewritten(world: World, textfile: Path) -> None:
    writer = MetricsWriter(world.spool)
    writer.write_textfile()
    with textfile.open("rb") as reader:
        first = reader.read(10)
        world.submit()
        writer.write_textfile(count=True)
        rest = first + reader.read()
    assert rest.endswith(b"# EOF\n")
    assert value(textfile.read_bytes(), "tuiq_submissions_total") == 1


def test_the_last_file_says_that_the_runner_is_gone(
    world: World, textfile: Path
) -> None:
    with runner(world.path, RunnerStatus(name="supervisor", started=1.0)):
        writer = MetricsWriter(world.spool)
        writer.write_textfile()
        assert value(textfile.read_bytes(), "tuiq_runner_up") == 1
        writer.write_textfile(leaving="supervisor")
    assert value(textfile.read_bytes(), "tuiq_runner_up") == 0


def test_a_file_that_cannot_be_written_is_told_once(
    world: World, textfile: Path, caplog: pytest.LogCaptureFixture
) -> None:
    textfile.parent.rmdir()
    writer = MetricsWriter(world.spool)
    with caplog.at_level(logging.ERROR):
        assert not writer.write_textfile()
        assert not writer.write_textfile()
    assert len(caplog.records) == 1
    assert "tuiq.prom: cannot be written" in caplog.text


def test_the_thread_writes_counts_and_ends(world: World, textfile: Path) -> None:
    world.submit()
    writer = MetricsWriter(world.spool)
    writer.start()
    try:
        wait_for(
            lambda: (
                textfile.exists()
                and value(
                    textfile.read_bytes(), "tuiq_messages", directory="q.1", state="due"
                )
                == 1
            )
        )
    finally:
        writer.stop()
    writer.stop()


def test_without_settings_nothing_is_started(world: World) -> None:
    writer = MetricsWriter(world.spool)
    writer.start()
    assert writer.port == 0
    writer.stop()
    assert writer.write_textfile()


# -- the endpoint --------------------------------------------------------------


@pytest.fixture
def served(world: World) -> Iterator[MetricsWriter]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    world.reconfigure(metrics={"listen": f"127.0.0.1:{port}"})
    writer = MetricsWriter(world.spool)
    writer.start()
    assert writer.wait_until_ready(20)
    assert writer.port == port
    yield writer
    writer.stop()


def get(writer: MetricsWriter, path: str = "/metrics") -> Any:
    return urllib.request.urlopen(f"http://127.0.0.1:{writer.port}{path}", timeout=20)


def test_prometheus_is_answered(world: World, served: MetricsWriter) -> None:
    world.submit()
    with get(served) as response:
        assert response.headers["Content-Type"] == CONTENT_TYPE
        assert value(response.read(), "tuiq_submissions_total") == 1


def test_other_paths_and_methods_are_refused(served: MetricsWriter) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404") as missing:
        get(served, "/etc/passwd")
    missing.value.close()
    request = urllib.request.Request(f"http://127.0.0.1:{served.port}/", data=b"x")
    with pytest.raises(urllib.error.HTTPError, match="405") as refused:
        urllib.request.urlopen(request, timeout=20)
    refused.value.close()


def connect(writer: MetricsWriter) -> socket.socket:
    return socket.create_connection(("127.0.0.1", writer.port), timeout=20)


def test_clients_that_say_nothing_are_hung_up_on(
    served: MetricsWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "PATIENCE", 0.2)
    with connect(served) as silent, connect(served) as slow:
        slow.send(b"GET /metrics HT")
        assert silent.recv(1) == b""
        assert slow.recv(1) == b""
        with get(served) as response:
            assert response.status == 200


def test_no_number_of_clients_takes_all_descriptors(served: MetricsWriter) -> None:
    clients = [connect(served) for _ in range(endpoint.MOST_CLIENTS)]
    with connect(served) as further:
        further.settimeout(20)
        assert further.recv(1) == b""
    clients[0].send(b"GET / HTTP/1.0\r\n\r\n")
    assert clients[0].recv(12) == b"HTTP/1.1 200"
    for client in clients:
        client.close()


@pytest.mark.parametrize("junk", [b"\r\n\r\n", b"\0" * 20_000, b"GET\r\n\r\n", b"\xff"])
def test_junk_is_answered_or_hung_up_on(served: MetricsWriter, junk: bytes) -> None:
    with connect(served) as client:
        client.send(junk)
        client.shutdown(socket.SHUT_WR)
        try:
            while client.recv(4096):
                pass
        except ConnectionResetError:
            pass
    with get(served) as response:
        assert response.status == 200


def test_a_new_configuration_is_gone_by(
    world: World, served: MetricsWriter, textfile: Path
) -> None:
    port = served.port
    assert port
    world.reconfigure(metrics={"listen": ""})
    served.reconfigure()
    wait_for(lambda: served.port == 0)
    wait_for(textfile.exists)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=20).close()
    world.reconfigure(metrics={"listen": f"127.0.0.1:{port}"})
    served.reconfigure()
    wait_for(lambda: served.port == port)
    world.reconfigure(metrics={"listen": "", "textfile": ""})
    served.reconfigure()
    wait_for(lambda: not served.is_running)
    world.reconfigure(metrics={"listen": f"127.0.0.1:{port}"})
    served.reconfigure()
    wait_for(lambda: served.port == port)


def test_an_address_in_use_is_told_and_the_file_is_written_all_the_same(
    world: World, textfile: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        world.reconfigure(metrics={"listen": f"127.0.0.1:{port}"})
        writer = MetricsWriter(world.spool)
        with caplog.at_level(logging.ERROR):
            writer.start()
            assert writer.wait_until_ready(20)
            wait_for(textfile.exists)
            writer.stop()
    assert f"cannot listen on 127.0.0.1:{port}" in caplog.text


def test_the_readme_names_every_metric() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    documented = set(re.findall(r"`(tuiq_\w+)", readme))
    assert {name for name, _ in samples(render(EMPTY))} <= documented
